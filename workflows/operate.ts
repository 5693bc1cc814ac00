/** Operations on a running execution: refused before anything is written, or applied to the ledger first. */
import { ApplicationFailure, defineUpdate, setHandler } from '@temporalio/workflow'
import { routeOperation } from '../domain/operation.js'
import type { ExecutionRef } from '../activities/contract.js'
import { ledger } from './activities.js'
import { OPERATE, OPERATION_REFUSED, type OperateInput, type OperateResult } from './messages.js'
import type { RunState } from './run-state.js'

const operate = defineUpdate<OperateResult, [OperateInput]>(OPERATE)

/** Answers operations for as long as the workflow lives. */
export function handleOperations(ref: ExecutionRef, run: RunState): void {
  setHandler(operate, (input) => apply(ref, run, input), {
    description:
      'cancel, pause, resume, retry or skip; through the API only, which writes the operation first',
    validator: (input) => {
      // Before the claim nothing is known here: the rows decide.
      if (!run.steps.length) return
      const route = routeOperation(input.kind, input.args, run.view)
      // A cancel is in its row already: the update only wakes the workflow.
      if (route.route === 'refuse' && input.kind !== 'cancel')
        throw ApplicationFailure.nonRetryable(route.why, OPERATION_REFUSED)
    },
  })
}

async function apply(ref: ExecutionRef, run: RunState, input: OperateInput): Promise<OperateResult> {
  const outcome = await ledger.applyOperation({ ...ref, operationId: input.operationId })
  if (outcome.state === 'accepted') {
    if (input.kind === 'cancel') run.cancelRequested = true
    if (input.kind === 'pause') run.paused = true
    if (input.kind === 'resume') run.paused = false
    for (const [index, state] of outcome.steps.entries()) {
      const step = run.steps[index]
      if (step) step.state = state
    }
  }
  run.changes++
  return { state: outcome.state, reason: outcome.reason }
}
