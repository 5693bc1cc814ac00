/** Operations on executions. */
import type { Operation } from '../operation.js'
import { getExecution } from './get-execution.js'
import { launchExecution } from './launch-execution.js'
import { listExecutionHosts } from './list-execution-hosts.js'
import { listExecutions } from './list-executions.js'
import { listOperations } from './list-operations.js'
import { listOutputGroups } from './list-output-groups.js'
import { listVerdicts } from './list-verdicts.js'
import { operateExecution } from './operate-execution.js'
import { streamEvents } from './stream-events.js'

export const executionOperations: readonly Operation[] = [
  launchExecution,
  listExecutions,
  getExecution,
  listExecutionHosts,
  listVerdicts,
  listOutputGroups,
  operateExecution,
  listOperations,
  streamEvents,
]
