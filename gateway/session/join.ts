/** Joining: a request that the holder of a token has signed is relayed to a worker, which makes the host. */
import { sign } from 'node:crypto'
import { keyOfSecret } from '../../base/secret-key.js'
import { PlatformError } from '../../domain/errors.js'
import { textFault } from '../../domain/text.js'
import { type JoinRequest, type JoinResponse, joinProof } from '../../proto/index.js'
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
  // No table keeps every text, and none of this is of any size; what it says is for the worker to judge.
  if (textFault(request.name) || request.name.length > 253 || request.csr.length > 4_096)
    throw new PlatformError('request_invalid', 'the name or the certificate request cannot be taken')
  const csr = Buffer.from(request.csr)
  const { tokenKey, proof } = proofOf(request, csr)
  const { certificate, hostId } = await requestCertificate(
    deps,
    { kind: 'join', csr, name: request.name, tokenKey, proof },
    { signal: new AbortController().signal, patienceMs: JOIN_PATIENCE_MS },
  )
  deps.logger.info({ hostId, name: request.name }, 'a host joined')
  return { hostId: hostId ?? '', certificate, ca: trust.ca, signingKeys: trust.signingKeys }
}

/** An agent of part 1 sends the secret itself: what a later one signs on its host is signed for it here. */
function proofOf(request: JoinRequest, csr: Buffer): { tokenKey: Buffer; proof: Buffer } {
  if (!request.token) return { tokenKey: Buffer.from(request.tokenKey), proof: Buffer.from(request.proof) }
  const { privateKey, publicKey } = keyOfSecret(request.token, 'drover join token')
  return { tokenKey: publicKey, proof: sign(null, joinProof(request.name, csr), privateKey) }
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
