/** Gives a step its verdict, once every host of it has an end. */
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { summarize } from '../domain/host-result.js'
import type { StepExecutionId } from '../domain/id.js'
import { autoRetriedStates } from '../domain/retry.js'
import { isFinalStepState, type StepState, stepVerdict } from '../domain/step-execution.js'
import {
  type Execution,
  findStepState,
  getStep,
  readClock,
  setStepState,
} from '../store/postgres/executions.js'
import { takeLook } from '../store/postgres/looks.js'
import { listRetryHosts } from '../store/postgres/retries.js'
import { closeShardsBut } from '../store/postgres/shards.js'
import type { Db } from '../store/postgres/pool.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Closing, ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { goOn } from './go-on.js'
import { type Key, lockOwned, standingOf, superseded } from './owner.js'

export function createCloseStep(deps: ControlDependencies): ControlActivities['closeStep'] {
  return (input) =>
    transaction(deps.pool, async (tx): Promise<Closing> => {
      const { key: owned, execution } = await lockOwned(tx, input)
      const key = { ...owned, stepExecutionId: input.stepExecutionId as StepExecutionId }
      const step = await getStep(tx, key)
      if (!step) throw new PlatformError('step_unknown', `there is no step execution ${key.stepExecutionId}`)
      const { state, counts } = step
      const standing = standingOf(execution)
      const close = async (verdict: StepState): Promise<Closing> => ({
        state: verdict,
        open: 0,
        counts,
        standing,
        ...(input.goOn ? { next: await goOn(tx, deps, { key: owned, execution, look: input.look }) } : {}),
      })
      if (isFinalStepState(state)) return close(state)
      if (isFinalExecutionState(execution.state)) throw superseded(key)
      const isNew = await takeLook(tx, key, input.look)
      if (isNew) await closeShardsBut(tx, key, [])
      const { open } = summarize(counts)
      const hasFailed = autoRetriedStates.some((failed) => counts[failed])
      const retrying = hasFailed ? await countRetrying(tx, { key, execution }) : 0
      // A held run gets no verdict, and a call that comes late or again decides nothing: whoever asked looks again.
      const isHeld = standing.paused && !standing.cancelRequested
      if (open || retrying || isHeld || !isNew)
        return { state, open: Math.max(open + retrying, 1), counts, standing }
      const verdict = stepVerdict(counts, input.onFailure, standing.cancelRequested)
      await setStepState(tx, key, verdict)
      return close(verdict)
    })
}

/** Hosts that get another attempt by themselves: the step goes on until they have had it. */
async function countRetrying(
  tx: Db,
  { key, execution }: { key: Key & { stepExecutionId: StepExecutionId }; execution: Execution },
): Promise<number> {
  const delaysMs = (await findStepState(tx, key))?.retryDelaysMs ?? []
  if (!delaysMs.length || execution.cancelRequestedAt || execution.expiresAt <= (await readClock(tx)))
    return 0
  return (await listRetryHosts(tx, key, delaysMs)).length
}
