/**
 * The identity folder: key, certificate, CA, signing keys and host id. A renewed key and certificate wait in `next/`
 * until a session has worked with them, so that a bad renewal never costs the host its old identity. Keys that were replaced
 * stay in `former/` for a while.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, readIfPresent, readJson, syncPath, writeFileAtomic } from '../files.js'
import { keepFormer, readFormer } from './former-keys.js'

export interface Credentials {
  keyPem: string
  certificatePem: string
  /** Whether these are the renewed ones that no session has proven yet. */
  unproven: boolean
}

export interface Identity {
  hostId: string
  caPem: string
  current: Credentials
  next: Credentials | undefined
  /** Private keys (PEM) that were replaced, for what was sealed for them. */
  former: string[]
  signingKeys: Map<string, KeyObject>
}

export interface NewIdentity {
  hostId: string
  keyPem: string
  certificatePem: string
  caPem: string
  signingKeys: { keyId: string; publicKey: Uint8Array }[]
}

/** Where a renewed pair is kept; no two of these calls may overlap. */
export interface RenewedPair {
  write(keyPem: string, certificatePem: string): Promise<void>
  /** Makes the one that was written last the current one. */
  promote(): Promise<void>
}

/** That of an identity folder. */
export function renewedPairIn(folder: string): RenewedPair {
  return {
    write: (keyPem, certificatePem) => writeNext(folder, keyPem, certificatePem),
    promote: () => promoteNext(folder),
  }
}

/** The identity in `folder`, or undefined when this host has not joined. Ends a renewal that a crash cut in two. */
export async function readIdentity(folder: string): Promise<Identity | undefined> {
  const host = await readJson<{ hostId: string }>(join(folder, 'host.json'))
  const caPem = await readIfPresent(join(folder, 'ca.pem'))
  await finishPromotion(folder)
  await finishWriting(folder)
  const next = await readCredentials(join(folder, 'next'), true)
  const current = (await readCredentials(folder, false)) ?? next
  const keys = await readJson<{ keyId: string; publicKey: string }[]>(join(folder, 'signing-keys.json'))
  if (!host || !caPem || !current || !keys) return undefined
  return {
    hostId: host.hostId,
    caPem,
    current,
    next: next === current ? undefined : next,
    former: await readFormer(folder, Date.now()),
    signingKeys: new Map(keys.map((key) => [key.keyId, toPublicKey(Buffer.from(key.publicKey, 'base64'))])),
  }
}

/** Writes a first identity; host.json comes last, because an identity without it does not count. */
export async function writeIdentity(folder: string, identity: NewIdentity): Promise<void> {
  await makeFolder(folder)
  const keys = identity.signingKeys.map((key) => {
    toPublicKey(Buffer.from(key.publicKey))
    return { keyId: key.keyId, publicKey: Buffer.from(key.publicKey).toString('base64') }
  })
  const durable = { durable: true }
  await writeFileAtomic(join(folder, 'key.pem'), identity.keyPem, durable)
  await writeFileAtomic(join(folder, 'cert.pem'), identity.certificatePem, durable)
  await writeFileAtomic(join(folder, 'ca.pem'), identity.caPem, durable)
  await writeFileAtomic(join(folder, 'signing-keys.json'), JSON.stringify(keys), durable)
  await writeFileAtomic(join(folder, 'host.json'), JSON.stringify({ hostId: identity.hostId }), durable)
}

/**
 * Puts a renewed pair beside the current one. What waited there before may be the only good one by now: it is replaced
 * when the new pair is complete, and a crash between the last two steps leaves the new one in `next.new/`, whence the next start takes it.
 */
export async function writeNext(folder: string, keyPem: string, certificatePem: string): Promise<void> {
  const next = join(folder, 'next')
  const fresh = join(folder, 'next.new')
  await rm(fresh, { recursive: true, force: true })
  await makeFolder(fresh)
  await writeFileAtomic(join(fresh, 'key.pem'), keyPem, { durable: true })
  await writeFileAtomic(join(fresh, 'cert.pem'), certificatePem, { durable: true })
  await keepFormer(folder, join(next, 'key.pem'))
  await rm(next, { recursive: true, force: true })
  await rename(fresh, next)
  await syncPath(folder)
}

/**
 * Makes the renewed pair the current one. A crash between the two renames leaves a mixed pair in the folder; whoever
 * reads it next finds that the key belongs to the certificate in `next/`, and ends what was begun.
 */
export async function promoteNext(folder: string): Promise<void> {
  const next = join(folder, 'next')
  await keepFormer(folder, join(folder, 'key.pem'))
  await rename(join(next, 'key.pem'), join(folder, 'key.pem'))
  await rename(join(next, 'cert.pem'), join(folder, 'cert.pem'))
  await syncPath(folder)
  await rm(next, { recursive: true, force: true })
}

async function finishWriting(folder: string): Promise<void> {
  const [next, fresh] = [join(folder, 'next'), join(folder, 'next.new')]
  if ((await readCredentials(next, true)) || !(await readCredentials(fresh, true))) return
  await rm(next, { recursive: true, force: true })
  await rename(fresh, next)
  await syncPath(folder)
}

async function finishPromotion(folder: string): Promise<void> {
  const key = await readIfPresent(join(folder, 'key.pem'))
  const late = join(folder, 'next', 'cert.pem')
  const certificate = await readIfPresent(late)
  if (key && certificate && matches(key, certificate)) await rename(late, join(folder, 'cert.pem'))
}

async function readCredentials(folder: string, unproven: boolean): Promise<Credentials | undefined> {
  const keyPem = await readIfPresent(join(folder, 'key.pem'))
  const certificatePem = await readIfPresent(join(folder, 'cert.pem'))
  return keyPem && certificatePem && matches(keyPem, certificatePem)
    ? { keyPem, certificatePem, unproven }
    : undefined
}

function matches(keyPem: string, certificatePem: string): boolean {
  try {
    const ofKey = createPublicKey(keyPem).export({ type: 'spki', format: 'der' })
    const ofCertificate = new X509Certificate(certificatePem).publicKey.export({
      type: 'spki',
      format: 'der',
    })
    return ofKey.equals(ofCertificate)
  } catch {
    return false
  }
}

function toPublicKey(der: Buffer): KeyObject {
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}
