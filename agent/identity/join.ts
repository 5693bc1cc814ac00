/** Joining: a token and a request made here become an identity. */
import { sign, verify, X509Certificate } from 'node:crypto'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { delay, fullJitter } from '../../base/backoff.js'
import { createLogger } from '../../base/logger.js'
import { keyOfSecret } from '../../base/secret-key.js'
import {
  type AgentGatewayServiceClient,
  joinProof,
  type JoinResponse,
  signingKeyProof,
} from '../../proto/index.js'
import { clientContext, createClient } from '../session/channel.js'
import { AGENT_VERSION } from '../version.js'
import { generateKey, makeCsr } from './csr.js'
import { fetchPinnedCa } from './pin.js'
import { type NewIdentity, writeIdentity } from './store.js'
import { type JoinToken, parseJoinToken } from './token.js'

const log = createLogger('agent:join')

/** The control plane said no for good: another try with this token cannot help. */
export class JoinRefused extends Error {
  override name = 'JoinRefused'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export interface JoinInput {
  folder: string
  gateways: string[]
  token: string
  name: string
  facts: Record<string, string>
  signal: AbortSignal
}

/** Tries the gateways in turn until one gives an identity; rejects with JoinRefused, or when the signal aborts. */
export async function joinFleet(input: JoinInput): Promise<void> {
  const token = parseJoinToken(input.token)
  // One key for all tries: a gateway that died after issuing may then give the same host its certificate again.
  const keyPem = generateKey()
  for (let attempt = 0; ; attempt++) {
    const gateway = input.gateways[attempt % input.gateways.length] ?? ''
    try {
      await joinOnce(input, { gateway, token, keyPem })
      return
    } catch (error) {
      if (error instanceof JoinRefused || input.signal.aborted) throw error
      log.warn({ gateway, err: error }, 'joining failed; will try again')
    }
    await delay(fullJitter(attempt, Math.random()), input.signal)
  }
}

async function joinOnce(
  input: JoinInput,
  at: { gateway: string; token: JoinToken; keyPem: string },
): Promise<void> {
  const pinnedCa = await fetchPinnedCa(at.gateway, at.token.caSha256)
  const client = createClient(at.gateway, clientContext(pinnedCa))
  const response = await requestJoin(client, {
    secret: at.token.secret,
    keyPem: at.keyPem,
    name: input.name,
    facts: input.facts,
  }).finally(() => client.close())
  await writeIdentity(input.folder, {
    hostId: response.hostId,
    keyPem: at.keyPem,
    certificatePem: response.certificate,
    ...trustOf(response, pinnedCa),
  })
  log.info({ gateway: at.gateway, hostId: response.hostId, name: input.name }, 'joined')
}

/**
 * What is believed of an answer to a join. It came through a gateway, which is trusted least: the pin and what its key
 * has signed are all that counts.
 */
export function trustOf(
  response: JoinResponse,
  pinnedCa: string,
): Pick<NewIdentity, 'caPem' | 'signingKeys'> {
  const signingKeys = response.signingKeys.filter((key) => isCertified(key, pinnedCa))
  if (!signingKeys.length) throw new Error('the gateway named no signing key that the CA has signed')
  return { caPem: pinnedCa, signingKeys }
}

/** Whether the CA itself says that this key signs orders. */
function isCertified(key: JoinResponse['signingKeys'][number], caPem: string): boolean {
  const proof = signingKeyProof(key.keyId, key.publicKey)
  return verify('sha256', proof, new X509Certificate(caPem).publicKey, key.caSignature)
}

/** One try. Rejects with JoinRefused when another one cannot help. */
export function requestJoin(
  client: AgentGatewayServiceClient,
  host: { secret: string; keyPem: string; name: string; facts: Record<string, string> },
): Promise<JoinResponse> {
  const csr = makeCsr(host.keyPem)
  const { privateKey, publicKey } = keyOfSecret(host.secret, 'drover join token')
  const request = {
    token: '',
    csr,
    tokenKey: publicKey,
    proof: sign(null, joinProof(host.name, csr), privateKey),
    name: host.name,
    agentVersion: AGENT_VERSION,
    facts: host.facts,
  }
  return new Promise<JoinResponse>((resolve, reject) => {
    client.join(request, new Metadata(), { deadline: Date.now() + 15_000 }, (error, response) =>
      error ? reject(toJoinError(error)) : resolve(response),
    )
  })
}

// Answers about the token or the request; everything else is about the road, and is tried again.
const final = new Set<status>([
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
  status.ALREADY_EXISTS,
  status.NOT_FOUND,
])

function toJoinError(error: ServiceError): Error {
  if (!final.has(error.code)) return error
  const code = String(error.metadata.get('drover-code')[0] ?? status[error.code].toLowerCase())
  return new JoinRefused(code, error.details)
}
