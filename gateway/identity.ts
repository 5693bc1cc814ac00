/** The gateway's own certificate: a key made here, signed by a worker, for gateways cannot sign. */
import 'reflect-metadata'
import { sign, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { isErrorCode, PlatformError } from '../domain/errors.js'
import type { HostId } from '../domain/id.js'
import { gatewayProof } from '../proto/index.js'
import { type CertificateWish, insertCertificateRequest } from '../store/postgres/certificates.js'
import { sendHint } from '../store/postgres/hints.js'
import { CertificateAnswers } from './certificate-answers.js'
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
  const wish = {
    kind: 'gateway',
    csr: Buffer.from(csr.rawData),
    gateway: deps.self.name,
    proof: sign(null, gatewayProof(deps.self.name, Buffer.from(csr.rawData)), deps.key.privateKey),
  } as const
  const { certificate } = await requestCertificate(deps, wish, { signal, patienceMs: 600_000 })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificate: `${certificate.trim()}\n${ca.trim()}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    notAfter: new x509.X509Certificate(certificate).notAfter,
  }
}

/**
 * Leaves a request for the workers and waits for the answer.
 * @returns the certificate, PEM, and the host that it is for (null for a gateway's)
 * @throws PlatformError the code of the refusal, unavailable if no worker answered
 */
export async function requestCertificate(
  deps: GatewayDependencies,
  wish: CertificateWish,
  wait: { signal: AbortSignal; patienceMs: number },
): Promise<{ certificate: string; hostId: HostId | null }> {
  const { scopeId } = deps.self
  const id = await insertCertificateRequest(deps.pool, scopeId, wish)
  await sendHint(deps.pool, 'certificates', '')
  const answer = await answersOf(deps).wait(id, wait.patienceMs, wait.signal)
  if (answer?.certificate) return { certificate: answer.certificate, hostId: answer.hostId }
  if (answer)
    throw refusalOf(answer.refusedCode ?? '', answer.refused ?? 'the certificate request was refused')
  throw new PlatformError('unavailable', 'no worker has signed the certificate request; is one running?')
}

function refusalOf(code: string, message: string): PlatformError {
  return new PlatformError(isErrorCode(code) ? code : 'certificate_request_invalid', message)
}

const answers = new WeakMap<GatewayDependencies, CertificateAnswers>()

function answersOf(deps: GatewayDependencies): CertificateAnswers {
  const known = answers.get(deps) ?? new CertificateAnswers(deps)
  answers.set(deps, known)
  return known
}
