/** What the parts of a gateway work with. */
import type { Logger } from '../base/logger.js'
import type { SecretKey } from '../base/secret-key.js'
import type { OutputLog } from '../store/log/output.js'
import type { GatewayProcess } from '../store/postgres/gateways.js'
import type { HintListener } from '../store/postgres/hints.js'
import type { Pool } from '../store/postgres/pool.js'

export interface GatewayDependencies {
  pool: Pool
  log: OutputLog
  hints: HintListener
  logger: Logger
  self: GatewayProcess
  heartbeatMs: number
  /** Proves to workers that this is the gateway of its name. */
  key: SecretKey
}
