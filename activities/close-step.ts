/** Gives a step its verdict, once every host of it has an end. */
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { summarize } from '../domain/host-result.js'
import type { StepExecutionId } from '../domain/id.js'
import { isFinalStepState, stepVerdict } from '../domain/step-execution.js'
import { listSteps, setStepState } from '../store/postgres/executions.js'
import { takeLook } from '../store/postgres/looks.js'
import { closeShardsBut } from '../store/postgres/shards.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { lockOwned, standingOf, superseded } from './owner.js'

export function createCloseStep({ pool }: ControlDependencies): ControlActivities['closeStep'] {
  return (input) =>
    transaction(pool, async (tx) => {
      const { key: owned, execution } = await lockOwned(tx, input)
      const key = { ...owned, stepExecutionId: input.stepExecutionId as StepExecutionId }
      const step = (await listSteps(tx, key.scopeId, key.executionId)).find(
        (item) => item.id === key.stepExecutionId,
      )
      if (!step) throw new PlatformError('step_unknown', `there is no step execution ${key.stepExecutionId}`)
      const { state, counts } = step
      const standing = standingOf(execution)
      if (isFinalStepState(state)) return { state, open: 0, counts, standing }
      if (isFinalExecutionState(execution.state)) throw superseded(key)
      const isNew = await takeLook(tx, key, input.look)
      if (isNew) await closeShardsBut(tx, key, [])
      const { open } = summarize(counts)
      // A held run gets no verdict, and a call that comes late or again decides nothing: whoever asked looks again.
      const isHeld = standing.paused && !standing.cancelRequested
      if (open || isHeld || !isNew) return { state, open: Math.max(open, 1), counts, standing }
      const verdict = stepVerdict(counts, input.onFailure, standing.cancelRequested)
      await setStepState(tx, key, verdict)
      return { state: verdict, open, counts, standing }
    })
}
