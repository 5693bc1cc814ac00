/** Operations on a running execution: refused before anything is written, or applied to the ledger first. */
import { ApplicationFailure, condition, defineUpdate, setHandler } from '@temporalio/workflow'
import { routeOperation } from '../domain/operation.js'
import type { ExecutionRef } from '../activities/contract.js'
import { isSuperseded } from './activities.js'
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
  await condition(() => run.claim !== 'open')
  if (run.leaving) return { state: 'moved' }
  if (run.claim === 'refused') return { state: 'ended' }
  try {
    const outcome = await run.ledger.applyOperation({ ...ref, operationId: input.operationId })
    const before = run.holds
    // Never from the operation's kind: one that was decided long ago may be asked again.
    run.adopt(outcome.standing, run.byStep(outcome.steps))
    // One that was refused has changed nothing: hosts need no look for it.
    if (outcome.state !== 'refused' || run.holds !== before) run.changes++
    return { state: outcome.state, reason: outcome.reason }
  } catch (error) {
    run.changes++
    if (isSuperseded(error)) return { state: 'ended' }
    throw error
  }
}
