/** Joining: a token and a certificate request become a host with a certificate. */
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { PlatformError } from '../../domain/errors.js'
import type { HostId, ScopeId } from '../../domain/id.js'
import { textFault } from '../../domain/text.js'
import type { JoinRequest, JoinResponse } from '../../proto/index.js'
import { findJoinAttempt } from '../../store/postgres/certificates.js'
import { insertHost, replaceFacts, updateLabels } from '../../store/postgres/hosts.js'
import { useJoinToken } from '../../store/postgres/join-tokens.js'
import { transaction } from '../../store/postgres/transaction.js'
import type { GatewayDependencies } from '../dependencies.js'
import { requestCertificate } from '../identity.js'
import type { Trust } from '../trust.js'

const JOIN_PATIENCE_MS = 15_000

/** @throws PlatformError join_token_*, name_taken, request_invalid, certificate_request_invalid, unavailable */
export async function joinHost(
  deps: GatewayDependencies,
  trust: Trust,
  request: JoinRequest,
): Promise<JoinResponse> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(request.name)) {
    throw new PlatformError(
      'request_invalid',
      `"${request.name.slice(0, 60)}" cannot be a host's name: letters, digits, dots and dashes; set DROVER_AGENT_NAME`,
    )
  }
  const csr = Buffer.from(request.csr)
  const host = await takeHost(deps, request, csr)
  const subject = { scopeId: host.scopeId, hostId: host.hostId, gateway: null }
  const wait = { signal: new AbortController().signal, patienceMs: JOIN_PATIENCE_MS }
  const certificate = await requestCertificate(deps, subject, csr, wait)
  deps.logger.info({ hostId: host.hostId, name: request.name }, 'a host joined')
  return { hostId: host.hostId, certificate, ca: trust.ca, signingKeys: trust.signingKeys }
}

/** Makes the host, once: an agent whose first answer was lost asks again with the same key and gets the same host. */
function takeHost(
  deps: GatewayDependencies,
  request: JoinRequest,
  csr: Buffer,
): Promise<{ scopeId: ScopeId; hostId: HostId }> {
  const key = publicKeyOf(csr)
  return transaction(deps.pool, async (tx) => {
    const before = await findJoinAttempt(tx, request.token, request.name)
    if (before && publicKeyOf(before.csr).equals(key)) return before
    const token = await useJoinToken(tx, request.token)
    const hostId = await insertHost(tx, token.scopeId, request.name)
    if (!hostId) {
      throw new PlatformError(
        'name_taken',
        `there is a host called ${request.name} already; revoke it first, or set DROVER_AGENT_NAME`,
      )
    }
    await updateLabels(tx, token.scopeId, hostId, token.labels)
    await replaceFacts(tx, token.scopeId, hostId, cleanFacts(request.facts))
    return { scopeId: token.scopeId, hostId }
  })
}

function publicKeyOf(csr: Buffer): Buffer {
  try {
    return Buffer.from(new x509.Pkcs10CertificateRequest(csr).publicKey.rawData)
  } catch (error) {
    throw new PlatformError('certificate_request_invalid', 'the certificate request cannot be read', {
      cause: error,
    })
  }
}

const FACTS_MAX = 64

/** What may be kept of an agent's facts: they are its word only, but they must be text, short and few. */
export function cleanFacts(facts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts)
      .filter(
        ([key, value]) =>
          /^[a-z0-9][a-z0-9._-]{0,62}$/.test(key) && value.length <= 1024 && !textFault(value),
      )
      .slice(0, FACTS_MAX),
  )
}
