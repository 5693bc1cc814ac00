/**
 * Who the simulated hosts are: keys and certificates in one file that grows, under a folder that is named for the
 * platform's CA, so that a second start needs no joining and two platforms never mix.
 */
import { createPublicKey, type KeyObject, randomUUID, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JoinResponse } from '../../proto/index.js'
import { hasErrno } from '../files.js'
import { trustOf } from '../identity/join.js'
import { AppendLog } from './append-log.js'

export interface HostIdentity {
  name: string
  hostId: string
  keyPem: string
  certificatePem: string
  journalId: string
}

/** What all hosts of one platform trust. */
export interface Trust {
  caPem: string
  signingKeys: Map<string, KeyObject>
}

interface TrustFile {
  caPem: string
  signingKeys: { keyId: string; publicKey: string }[]
}

// Joined anew before that, for a host that is away when its certificate ends cannot renew it.
const MARGIN_MS = 10 * 60_000
const MARGIN_SHARE = 0.1

export class Identities {
  readonly folder: string
  /** Grows with every start of the program: a copy of an old folder is found out by it. */
  readonly generation: number
  private readonly log: AppendLog
  private readonly known = new Map<string, HostIdentity>()
  private trusted: Trust | undefined

  private constructor(folder: string) {
    this.folder = folder
    this.log = AppendLog.open(join(folder, 'identities.jsonl'), (line) => {
      try {
        const identity = JSON.parse(line) as HostIdentity
        this.known.set(identity.name, identity)
      } catch {
        // Torn by a kill: that host joins anew.
      }
    })
    this.trusted = readTrust(folder)
    this.generation = Number(readText(join(folder, 'generation')) ?? '0') + 1
    writeFileSync(join(folder, 'generation'), String(this.generation))
  }

  static open(folder: string): Identities {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return new Identities(folder)
  }

  get trust(): Trust | undefined {
    return this.trusted
  }

  /** The identity of a host, if its certificate is good for a while. */
  find(name: string): HostIdentity | undefined {
    const identity = this.known.get(name)
    if (!identity || !this.trusted) return undefined
    const { validFrom, validTo } = new X509Certificate(identity.certificatePem)
    const endsAt = Date.parse(validTo)
    const marginMs = Math.min(MARGIN_MS, (endsAt - Date.parse(validFrom)) * MARGIN_SHARE)
    return endsAt - Date.now() > marginMs ? identity : undefined
  }

  /** The identity of a host, however old. */
  get(name: string): HostIdentity | undefined {
    return this.known.get(name)
  }

  /** Keeps what a join gave; throws when nothing of it can be believed. */
  add(name: string, keyPem: string, joined: JoinResponse, pinnedCa: string): HostIdentity {
    this.trusted ??= this.keepTrust(joined, pinnedCa)
    const { hostId, certificate: certificatePem } = joined
    // A new journal, for the new host has none of the old one's tasks.
    const identity = { name, hostId, keyPem, certificatePem, journalId: randomUUID() }
    this.save(identity)
    return identity
  }

  save(identity: HostIdentity): void {
    this.log.append(JSON.stringify(identity))
    this.known.set(identity.name, identity)
  }

  close(): void {
    this.log.close()
  }

  private keepTrust(joined: JoinResponse, pinnedCa: string): Trust {
    const { caPem, signingKeys } = trustOf(joined, pinnedCa)
    const file: TrustFile = {
      caPem,
      signingKeys: signingKeys.map(({ keyId, publicKey }) => ({
        keyId,
        publicKey: Buffer.from(publicKey).toString('base64'),
      })),
    }
    writeFileSync(join(this.folder, 'trust.json'), JSON.stringify(file), { mode: 0o600 })
    return toTrust(file)
  }
}

function readTrust(folder: string): Trust | undefined {
  const text = readText(join(folder, 'trust.json'))
  return text === undefined ? undefined : toTrust(JSON.parse(text) as TrustFile)
}

function toTrust({ caPem, signingKeys }: TrustFile): Trust {
  const keys = signingKeys.map(({ keyId, publicKey }): [string, KeyObject] => [
    keyId,
    createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' }),
  ])
  return { caPem, signingKeys: new Map(keys) }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
