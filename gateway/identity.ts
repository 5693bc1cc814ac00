/** The gateway's own certificate: a key made here, signed by a worker, for gateways cannot sign. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { PlatformError } from '../domain/errors.js'
import {
  findCertificateAnswer,
  insertCertificateRequest,
  type CertificateSubject,
} from '../store/postgres/certificates.js'
import { sendHint } from '../store/postgres/hints.js'
import type { GatewayDependencies } from './dependencies.js'

x509.cryptoProvider.set(webcrypto)

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface TlsIdentity {
  /** PEM: leaf, then the CA's certificates. */
  certificate: string
  key: string
  notAfter: Date
}

/** Makes a key and has a worker sign for it; waits for as long as no worker is there. */
export async function requestGatewayIdentity(
  deps: GatewayDependencies,
  ca: string,
  signal: AbortSignal,
): Promise<TlsIdentity> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: P256,
    name: 'CN=gateway',
  })
  const subject = { scopeId: deps.self.scopeId, hostId: null, gateway: deps.self.name }
  const certificate = await requestCertificate(deps, subject, Buffer.from(csr.rawData), {
    signal,
    patienceMs: 600_000,
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificate: `${certificate.trim()}\n${ca.trim()}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    notAfter: new x509.X509Certificate(certificate).notAfter,
  }
}

/**
 * Leaves a request for the workers and waits for the answer.
 * @returns the certificate, PEM
 * @throws PlatformError certificate_request_invalid if it was refused, unavailable if no worker answered
 */
export async function requestCertificate(
  deps: GatewayDependencies,
  subject: CertificateSubject,
  csr: Buffer,
  wait: { signal: AbortSignal; patienceMs: number },
): Promise<string> {
  const id = await insertCertificateRequest(deps.pool, subject, csr)
  await sendHint(deps.pool, 'certificates', '')
  const until = Date.now() + wait.patienceMs
  while (Date.now() < until && !wait.signal.aborted) {
    const answer = await findCertificateAnswer(deps.pool, subject.scopeId, id)
    if (answer?.certificate) return answer.certificate
    if (answer)
      throw new PlatformError(
        'certificate_request_invalid',
        answer.refused ?? 'the certificate request was refused',
      )
    await nextHint(deps, 200)
  }
  throw new PlatformError('unavailable', 'no worker has signed the certificate request; is one running?')
}

/** Resolves at the next hint about certificates, or after `ms`. */
function nextHint(deps: GatewayDependencies, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      off()
      resolve()
    }
    const timer = setTimeout(done, ms)
    const off = deps.hints.on('certificates', done)
  })
}
