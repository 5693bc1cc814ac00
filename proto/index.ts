/** The words that gateways and agents share: the generated messages, and what both sides must agree on beside them. */
export {
  AgentGatewayServiceClient,
  type AgentGatewayServiceServer,
  AgentGatewayServiceService,
  type CertificateRequest,
  Heartbeat,
  Hello,
  JoinRequest,
  JoinResponse,
  SessionRequest,
  SessionResponse,
  Welcome,
} from './generated/drover/agent/v1/session.js'
export {
  CancelTask,
  Dispatch,
  DispatchOrder,
  OutputChunk,
  OutputStream,
  OutputSummary,
  ScriptTask,
  Started,
  StopOrder,
  TaskSpec,
  TaskState,
  TaskUpdate,
  Variable,
  VariableType,
} from './generated/drover/agent/v1/task.js'
export {
  type UpgradeAgent,
  UpgradeOrder,
  type UpgradeReport,
  UpgradeState,
} from './generated/drover/agent/v1/upgrade.js'
export { dispatchId } from './dispatch-id.js'
export { openSecrets, type SealRecipient, sealSecrets } from './sealed-secrets.js'
export { gatewayProof, joinProof, renewalProof, signingKeyProof } from './proof.js'
export { type SignedOrder, sha256, signOrder, signUpgrade, verifyOrder, verifyUpgrade } from './order.js'

/** Versions of the session protocol that this build speaks; the highest common one is used. */
export const PROTOCOL = { min: 1, max: 1 } as const

/** Scripts up to this many bytes ride in the dispatch; larger ones are fetched by hash. */
export const INLINE_SCRIPT_BYTES = 64 * 1024

/** Largest output chunk, in bytes. */
export const CHUNK_BYTES = 64 * 1024

/** Where a gateway serves the text of a script: `GET <prefix><sha256 in hex>` over HTTP/1.1 with the agent's certificate. */
export const SCRIPT_BLOB_PATH = '/blobs/scripts/'

/** Where a gateway serves an agent's bundle to a host that is ordered to change to it: `GET <prefix><sha256 in hex>`. */
export const BUNDLE_BLOB_PATH = '/blobs/agents/'

/** Where a gateway says whose certificate it was shown: 204 if it is good, so that a renewed one is tried before it is relied on. */
export const IDENTITY_PATH = '/identity'

/** What an agent that a supervisor started names among its capabilities: only such a one can be upgraded. */
export const UPGRADE_CAPABILITY = 'upgrade'

/** URI of a host's identity in its certificate's subject alternative name. */
export const HOST_URI_PREFIX = 'spiffe://drover/host/'
