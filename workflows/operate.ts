/** Operations on a running execution: refused before anything is written, or decided by the ledger with its next answer. */
import { ApplicationFailure, condition, defineUpdate, setHandler } from '@temporalio/workflow'
import { routeOperation } from '../domain/operation.js'
import { OPERATE, OPERATION_REFUSED, type OperateInput, type OperateResult } from './messages.js'
import type { RunState } from './run-state.js'

const operate = defineUpdate<OperateResult, [OperateInput]>(OPERATE)

/** Answers operations for as long as the workflow lives. */
export function handleOperations(run: RunState): void {
  setHandler(operate, (input) => decide(run, input), {
    description: 'an operation on the run; through the API only, which writes it first',
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

async function decide(run: RunState, { operationId }: OperateInput): Promise<OperateResult> {
  run.outcomes.delete(operationId)
  run.asked.add(operationId)
  await condition(() => run.outcomes.has(operationId) || run.over !== undefined)
  const outcome = run.outcomes.get(operationId)
  if (outcome) return { state: outcome.state, reason: outcome.reason }
  return { state: run.over ?? 'ended' }
}
