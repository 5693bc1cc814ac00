/** Operations on executions. */
import type { Operation } from '../operation.js'
import { cancelExecutions } from './cancel-executions.js'
import { compareSteps } from './compare-steps.js'
import { exportResults } from './export-results.js'
import { getExecution } from './get-execution.js'
import { getLaunch } from './get-launch.js'
import { getStepScript } from './get-step-script.js'
import { launchExecution } from './launch-execution.js'
import { listExecutionHosts } from './list-execution-hosts.js'
import { listExecutions } from './list-executions.js'
import { listOperations } from './list-operations.js'
import { listOutputGroups } from './list-output-groups.js'
import { listVariables } from './list-variables.js'
import { listVerdicts } from './list-verdicts.js'
import { previewLaunch } from './preview-launch.js'
import { previewUndo } from './preview-undo.js'
import { operateExecution } from './operate-execution.js'
import { streamEvents } from './stream-events.js'

export const executionOperations: readonly Operation[] = [
  launchExecution,
  previewLaunch,
  listExecutions,
  getExecution,
  getLaunch,
  getStepScript,
  listExecutionHosts,
  listVerdicts,
  listVariables,
  listOutputGroups,
  compareSteps,
  exportResults,
  operateExecution,
  previewUndo,
  cancelExecutions,
  listOperations,
  streamEvents,
]
