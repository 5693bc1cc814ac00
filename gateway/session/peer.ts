/** Who is at the other end of a call: a host by its certificate, or nobody yet. */
import { createHash } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { PlatformError } from '../../domain/errors.js'
import type { HostId, ScopeId } from '../../domain/id.js'
import { HOST_URI_PREFIX } from '../../proto/index.js'
import { findCertificateHost } from '../../store/postgres/certificates.js'
import type { Db } from '../../store/postgres/pool.js'

export interface PeerHost {
  scopeId: ScopeId
  hostId: HostId
}

/**
 * The host that a verified peer certificate belongs to, by our own record of what was issued.
 * @param verified whether TLS found the certificate valid under our CA
 * @throws PlatformError certificate_missing, certificate_wrong, certificate_revoked
 */
export async function identifyPeer(
  db: Db,
  certificate: PeerCertificate | undefined,
  verified: boolean,
): Promise<PeerHost> {
  if (!certificate?.raw)
    throw new PlatformError(
      'certificate_missing',
      'a session needs a host certificate that is valid under the CA of this Drover; join with a token first',
    )
  if (!verified)
    throw new PlatformError(
      'certificate_wrong',
      'the certificate is not valid under the CA of this Drover; join again with a new token',
    )
  const fingerprint = createHash('sha256').update(certificate.raw).digest()
  const host = await findCertificateHost(db, fingerprint)
  if (!host)
    throw new PlatformError(
      'certificate_revoked',
      'the certificate was revoked or never issued here; join again with a new token',
    )
  // Ours carry one name: a certificate with a second one is none of ours, whatever our record says.
  if (certificate.subjectaltname !== `URI:${HOST_URI_PREFIX}${host.hostId}`) {
    throw new PlatformError(
      'certificate_wrong',
      'the certificate names another host than the one it was issued to',
    )
  }
  return host
}
