/**
 * The identity folder: key, certificate, CA, signing keys and host id. A renewed key and certificate wait in `next/`
 * until a session has worked with them, so that a bad renewal never costs the host its old identity.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, readIfPresent, readJson, writeFileAtomic } from '../files.js'

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
  signingKeys: Map<string, KeyObject>
}

export interface NewIdentity {
  hostId: string
  keyPem: string
  certificatePem: string
  caPem: string
  signingKeys: { keyId: string; publicKey: Uint8Array }[]
}

/** The identity in `folder`, or undefined when this host has not joined. */
export async function readIdentity(folder: string): Promise<Identity | undefined> {
  const host = await readJson<{ hostId: string }>(join(folder, 'host.json'))
  const caPem = await readIfPresent(join(folder, 'ca.pem'))
  const current = await readCredentials(folder, false)
  const keys = await readJson<{ keyId: string; publicKey: string }[]>(join(folder, 'signing-keys.json'))
  if (!host || !caPem || !current || !keys) return undefined
  return {
    hostId: host.hostId,
    caPem,
    current,
    next: await readCredentials(join(folder, 'next'), true),
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

/** Puts a renewed pair beside the current one. */
export async function writeNext(folder: string, keyPem: string, certificatePem: string): Promise<void> {
  const next = join(folder, 'next')
  await rm(next, { recursive: true, force: true })
  await makeFolder(next)
  await writeFileAtomic(join(next, 'key.pem'), keyPem, { durable: true })
  await writeFileAtomic(join(next, 'cert.pem'), certificatePem, { durable: true })
}

/**
 * Makes the renewed pair the current one. A crash between the two renames leaves a mixed pair in the folder; the
 * reader then finds that key and certificate differ, and takes what is left in `next/`.
 */
export async function promoteNext(folder: string): Promise<void> {
  const next = join(folder, 'next')
  await rename(join(next, 'key.pem'), join(folder, 'key.pem'))
  await rename(join(next, 'cert.pem'), join(folder, 'cert.pem'))
  await rm(next, { recursive: true, force: true })
}

async function readCredentials(folder: string, unproven: boolean): Promise<Credentials | undefined> {
  const key = await readIfPresent(join(folder, 'key.pem'))
  const certificate = await readIfPresent(join(folder, 'cert.pem'))
  // The other half of a promotion that a crash cut in two lies in the neighbour folder.
  const late = unproven ? undefined : await readIfPresent(join(folder, 'next', 'cert.pem'))
  for (const certificatePem of [certificate, late]) {
    if (key && certificatePem && matches(key, certificatePem))
      return { keyPem: key, certificatePem, unproven }
  }
  return undefined
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
