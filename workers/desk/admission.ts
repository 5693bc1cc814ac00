/** Admission: whom a certificate request is for, by its proof alone. That a gateway left it says nothing. */
import 'reflect-metadata'
import { createHash, createPublicKey, verify, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { publicKeyOf } from '../../base/secret-key.js'
import { PlatformError } from '../../domain/errors.js'
import { gatewayProof, joinProof, renewalProof } from '../../proto/index.js'
import {
  type CertificateRequest,
  type CertificateSubject,
  findCertificateHost,
  markProven,
  findJoinedHost,
  isGatewayRevoked,
} from '../../store/postgres/certificates.js'
import { insertHost, updateLabels } from '../../store/postgres/hosts.js'
import { lockJoinToken, useJoinToken } from '../../store/postgres/join-tokens.js'
import type { Db } from '../../store/postgres/pool.js'

type Of<Kind extends CertificateRequest['kind']> = Extract<CertificateRequest, { kind: Kind }>

/**
 * Decides in the caller's transaction; a join makes its host there and takes a use of its token.
 * @param gatewayKey the public key that the gateway of a name must have
 * @throws PlatformError what the asker is told
 */
export function admit(
  tx: Db,
  request: CertificateRequest,
  gatewayKey: (name: string) => Buffer,
): Promise<CertificateSubject> {
  switch (request.kind) {
    case 'join':
      return admitHost(tx, request)
    case 'renewal':
      return admitRenewal(tx, request)
    case 'gateway':
      return admitGateway(tx, request, gatewayKey)
  }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/

async function admitHost(tx: Db, request: Of<'join'>): Promise<CertificateSubject> {
  const { csr, name, tokenKey, proof } = request
  if (!NAME.test(name)) {
    throw new PlatformError(
      'request_invalid',
      `"${name.slice(0, 60)}" cannot be a host's name: letters, digits, dots and dashes; set DROVER_AGENT_NAME`,
    )
  }
  const joinKey = createHash('sha256').update(keyOf(csr)).digest()
  if (!isSigned(joinProof(name, csr), tokenKey, proof)) {
    throw new PlatformError(
      'join_token_invalid',
      'the request was not signed by the holder of a join token; make one with: drover hosts join-token',
    )
  }
  const token = await lockJoinToken(tx, tokenKey)
  const before = await findJoinedHost(tx, joinKey)
  if (before) {
    // An agent whose answer was lost asks again with the same key and gets the same host.
    if (before.isNew && before.name === name && before.scopeId === token.scopeId)
      return { scopeId: before.scopeId, hostId: before.hostId, gateway: null }
    throw new PlatformError('name_taken', 'this key has joined before; join with a new one')
  }
  await useJoinToken(tx, token)
  const hostId = await insertHost(tx, token.scopeId, name, joinKey)
  if (!hostId) {
    throw new PlatformError(
      'name_taken',
      `there is a host called ${name} already; revoke it first, or set DROVER_AGENT_NAME`,
    )
  }
  await updateLabels(tx, token.scopeId, hostId, token.labels)
  return { scopeId: token.scopeId, hostId, gateway: null }
}

async function admitRenewal(tx: Db, request: Of<'renewal'>): Promise<CertificateSubject> {
  const { csr, currentCertificate, proof } = request
  if (!currentCertificate.length || !proof.length) {
    throw new PlatformError(
      'certificate_missing',
      'a renewal must be signed by the key of the certificate that it follows; upgrade the agent',
    )
  }
  // What was issued is written by workers alone, so that the certificate need not be verified but found.
  const fingerprint = createHash('sha256').update(currentCertificate).digest()
  const host = await findCertificateHost(tx, fingerprint)
  if (!host)
    throw new PlatformError('certificate_revoked', 'the certificate was revoked or never issued here')
  const current = new X509Certificate(currentCertificate)
  if (renewableUntil(current) <= Date.now())
    throw new PlatformError('certificate_wrong', 'the certificate has expired; join again with a new token')
  if (!verify('sha256', renewalProof(csr), current.publicKey, proof))
    throw new PlatformError('certificate_wrong', 'the renewal was not signed by the key of the certificate')
  await markProven(tx, fingerprint)
  return { scopeId: host.scopeId, hostId: host.hostId, gateway: null }
}

/**
 * As long again as it was good: without that, workers that are away for some days would lose every host whose session
 * outlived its certificate. Nobody opens a session with an expired one, and a revocation ends this, too.
 */
function renewableUntil(certificate: X509Certificate): number {
  const end = Date.parse(certificate.validTo)
  return end + (end - Date.parse(certificate.validFrom))
}

async function admitGateway(
  tx: Db,
  request: Of<'gateway'>,
  gatewayKey: (name: string) => Buffer,
): Promise<CertificateSubject> {
  const { csr, gateway, proof, scopeId } = request
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(gateway))
    throw new PlatformError('request_invalid', 'this cannot be the name of a gateway')
  if (!isSigned(gatewayProof(gateway, csr), gatewayKey(gateway), proof)) {
    throw new PlatformError(
      'certificate_wrong',
      `DROVER_GATEWAY_SECRET is not that of gateway ${gateway}: see docs/operations/keys.md`,
    )
  }
  if (await isGatewayRevoked(tx, gateway))
    throw new PlatformError('certificate_revoked', `gateway ${gateway} was revoked`)
  return { scopeId, hostId: null, gateway }
}

function isSigned(bytes: Buffer, publicKey: Buffer, proof: Buffer): boolean {
  return publicKey.length === 32 && verify(null, bytes, publicKeyOf(publicKey), proof)
}

/** The public key of a request, SPKI: in one form, however it was encoded. */
function keyOf(csr: Buffer): Buffer {
  try {
    const spki = Buffer.from(new x509.Pkcs10CertificateRequest(csr).publicKey.rawData)
    return createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'der', type: 'spki' })
  } catch (error) {
    throw new PlatformError('certificate_request_invalid', 'the certificate request cannot be read', {
      cause: error,
    })
  }
}
