/** What handlers work with: built once by the server, given to every call. */
import type { Logger } from '../base/logger.js'
import type { OutputLog } from '../store/log/output.js'
import type { Pool } from '../store/postgres/pool.js'
import type { Engine } from './engine.js'
import type { ExecutionSignals } from './execution-signals.js'
import type { Metrics } from './metrics.js'

export interface Services {
  pool: Pool
  output: OutputLog
  engine: Engine
  signals: ExecutionSignals
  metrics: Metrics
  logger: Logger
  version: string
  /** Address of Temporal's web UI, where there is one to link to. */
  temporalUi: string | undefined
  temporalNamespace: string
  /** True in tests: an answer that does not match its schema exactly is an error. */
  strictAnswers: boolean
  /** Aborted when the process drains. */
  draining: AbortSignal
  openApi(): unknown
}
