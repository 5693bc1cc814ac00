/** Renewing the certificate over the session: a new key at two thirds of its life, kept beside the old until proven. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { createLogger } from '../../base/logger.js'
import { type CertificateRequest, HOST_URI_PREFIX, renewalProof } from '../../proto/index.js'
import { generateKey, makeCsr } from './csr.js'
import type { Credentials, Identity, RenewedPair } from './store.js'

const log = createLogger('agent:renew')

// setTimeout cannot wait longer than 24.8 days; a later look decides again.
const MAX_WAIT_MS = 24 * 3600 * 1000
// An answer that never came is asked for again: ten times in the last third of the life, and not too often.
const RETRY_MS = 60_000
const RETRY_SHARE = 1 / 30

/**
 * When to ask for the next certificate: at 2/3 of the life ± 5 %, ms from `nowMs`; 0 when that is past.
 * @param random in [0, 1)
 */
export function renewInMs(certificatePem: string, nowMs: number, random: number): number {
  const certificate = new X509Certificate(certificatePem)
  const from = Date.parse(certificate.validFrom)
  return Math.max(0, from + lifeOf(certificatePem) * (2 / 3 + (random - 0.5) * 0.1) - nowMs)
}

function lifeOf(certificatePem: string): number {
  const { validFrom, validTo } = new X509Certificate(certificatePem)
  return Date.parse(validTo) - Date.parse(validFrom)
}

/** Whether a certificate is over. */
export function isOver(certificatePem: string, nowMs: number): boolean {
  return Date.parse(new X509Certificate(certificatePem).validTo) <= nowMs
}

export class Renewal {
  private readonly identity: Identity
  private readonly kept: RenewedPair
  private readonly now: () => number
  /** Of the request that waits for its answer. */
  private keyPem: string | undefined
  /** The change that is under way, and those that wait behind it. */
  private changes: Promise<void> = Promise.resolve()

  /** @param kept where a restart finds what has changed */
  constructor(identity: Identity, kept: RenewedPair, now: () => number) {
    this.identity = identity
    this.kept = kept
    this.now = now
  }

  /** Asks whenever it is due; returns how to stop. */
  start(send: (request: CertificateRequest) => void): () => void {
    let timer: NodeJS.Timeout
    const look = (asked: boolean) => {
      const newest = this.identity.next ?? this.identity.current
      const dueIn = renewInMs(newest.certificatePem, this.now(), Math.random())
      if (dueIn > 0) {
        timer = setTimeout(() => look(false), Math.min(dueIn, MAX_WAIT_MS))
        return
      }
      // The one that was asked for may have been answered meanwhile, and be due itself.
      if (!asked || this.keyPem === undefined) this.keyPem = generateKey()
      send(makeRequest(this.keyPem, newest))
      timer = setTimeout(() => look(true), Math.min(RETRY_MS, lifeOf(newest.certificatePem) * RETRY_SHARE))
    }
    look(false)
    return () => clearTimeout(timer)
  }

  /**
   * Takes the answer. A certificate that does not fit is dropped, and the old one stays. A request that was sent again has
   * several answers, which may come at once: the first is taken, and the others find nobody who waits for them.
   */
  async receive(certificatePem: string): Promise<void> {
    const { keyPem } = this
    if (keyPem === undefined) return log.info('a certificate came that no request waits for')
    const fault = this.findFault(keyPem, certificatePem)
    if (fault !== undefined) return log.error({ problem: fault }, 'a renewed certificate was not taken')
    this.keyPem = undefined
    await this.inTurn(async () => {
      await this.kept.write(keyPem, certificatePem)
      if (this.identity.next) this.identity.former.unshift(this.identity.next.keyPem)
      this.identity.next = { keyPem, certificatePem, unproven: true }
    })
    log.info('a renewed certificate has come')
  }

  /** Relies on the renewed pair from now on, unless a newer one has taken its place meanwhile. */
  promote(proven: Credentials): Promise<void> {
    return this.inTurn(async () => {
      const { identity } = this
      if (identity.next !== proven) return
      identity.former.unshift(identity.current.keyPem)
      identity.current = { ...proven, unproven: false }
      identity.next = undefined
      await this.kept.promote()
    })
  }

  /** A folder in which two changes met would hold a key of the one and a certificate of the other. */
  private inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.changes.then(change)
    this.changes = done.catch(() => undefined)
    return done
  }

  // The gateway is trusted least: it relays the CA's answer, so the answer is checked like anybody's.
  private findFault(keyPem: string, certificatePem: string): string | undefined {
    try {
      const leaf = new X509Certificate(certificatePem)
      const uri = `URI:${HOST_URI_PREFIX}${this.identity.hostId}`
      if (!leaf.subjectAltName?.split(', ').includes(uri)) return 'it names another host'
      if (!leaf.checkPrivateKey(createPrivateKey(keyPem))) return 'it is for another key'
      const roots = splitPem(this.identity.caPem).map((pem) => new X509Certificate(pem))
      return roots.some((root) => leaf.verify(root.publicKey)) ? undefined : 'the CA did not sign it'
    } catch (error) {
      return (error as Error).message
    }
  }
}

/** A request for a new key, signed by the key of the certificate that it is to follow: no gateway can ask in our name. */
function makeRequest(keyPem: string, of: Credentials): CertificateRequest {
  const csr = makeCsr(keyPem)
  const certificate = new X509Certificate(of.certificatePem).raw
  return { csr, certificate, proof: sign('sha256', renewalProof(csr), of.keyPem) }
}

function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
}
