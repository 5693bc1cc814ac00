/** Gives a step its verdict, once every host of it has an end. */
import { PlatformError } from '../domain/errors.js'
import { summarize } from '../domain/host-result.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../domain/id.js'
import { isFinalStepState, stepVerdict } from '../domain/step-execution.js'
import { listSteps, lockExecution, setStepState } from '../store/postgres/executions.js'
import { closeShardsBut } from '../store/postgres/shards.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'

export function createCloseStep({ pool }: ControlDependencies): ControlActivities['closeStep'] {
  return (input) =>
    transaction(pool, async (tx) => {
      const key = {
        scopeId: input.scopeId as ScopeId,
        executionId: input.executionId as ExecutionId,
        stepExecutionId: input.stepExecutionId as StepExecutionId,
      }
      const execution = await lockExecution(tx, key.scopeId, key.executionId)
      const step = (await listSteps(tx, key.scopeId, key.executionId)).find(
        (item) => item.id === key.stepExecutionId,
      )
      if (!execution || !step)
        throw new PlatformError('step_unknown', `there is no step execution ${key.stepExecutionId}`)
      await closeShardsBut(tx, key, [])
      const { open } = summarize(step.counts)
      if (open || isFinalStepState(step.state)) return { state: step.state, open, counts: step.counts }
      const state = stepVerdict(step.counts, input.onFailure, execution.cancelRequestedAt !== null)
      await setStepState(tx, key, state)
      return { state, open, counts: step.counts }
    })
}
