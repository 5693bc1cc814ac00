/** Gives a step its verdict, once every host of it has an end. */
import { isFinalExecutionState } from '../domain/execution.js'
import { summarize } from '../domain/host-result.js'
import type { StepExecutionId } from '../domain/id.js'
import { autoRetriedStates } from '../domain/retry.js'
import { type OnFailure, STEP_ENDED, type StepState, stepVerdict } from '../domain/step-execution.js'
import {
  type Execution,
  getStep,
  readClock,
  setStepState,
  type StepStanding,
} from '../store/postgres/executions.js'
import { isLatestLook } from '../store/postgres/looks.js'
import { listRetryHosts } from '../store/postgres/retries.js'
import { closeShardsBut } from '../store/postgres/shards.js'
import type { Db } from '../store/postgres/pool.js'
import { closeEndedStep } from '../store/postgres/step-ends.js'
import { isEnding, type Looking } from './look-at-hosts.js'
import { type Key, superseded } from './owner.js'
import { settleVariables } from './settle-variables.js'

/** @returns whether it has its verdict now; not while a host has no end, and not on a held run */
export async function closeStep(
  tx: Db,
  { key, execution, look }: Looking,
  { onFailure: own, retryDelaysMs }: StepStanding,
): Promise<boolean> {
  if (isFinalExecutionState(execution.state)) throw superseded(key)
  const cancelled = execution.cancelRequestedAt !== null
  if (execution.pause !== null && !cancelled) return false
  const step = await getStep(tx, key)
  if (!step || summarize(step.counts).open) return false
  const ending = isEnding(execution, key)
  const hasFailed = autoRetriedStates.some((failed) => step.counts[failed])
  if (hasFailed && !ending && (await countRetrying(tx, { key, execution, retryDelaysMs }))) return false
  // A question that comes late or again decides nothing: whoever asked last has the answer.
  if (!(await isLatestLook(tx, key, look))) return false
  await closeShardsBut(tx, key, [])
  const ignored = ending ? STEP_ENDED : step.failureIgnored ? 'failure_ignored' : undefined
  const onFailure = ignored ? 'ignore' : own
  const verdict = stepVerdict(step.counts, onFailure, cancelled)
  const unsettled = await settleVariables(tx, { key, execution, step, verdict })
  const { state, reason } = unsettled.length
    ? disagreed(onFailure)
    : { state: verdict, reason: verdict === 'ignored' ? ignored : undefined }
  await setStepState(tx, key, state, reason)
  if (ending) await closeEndedStep(tx, key)
  return true
}

const disagreed = (onFailure: OnFailure): { state: StepState; reason: string } => ({
  state: onFailure === 'ignore' ? 'ignored' : 'failed',
  reason: 'variable_disagreement',
})

/** Hosts that get another attempt by themselves: the step goes on until they have had it. */
async function countRetrying(
  tx: Db,
  of: { key: Key & { stepExecutionId: StepExecutionId }; execution: Execution; retryDelaysMs: number[] },
): Promise<number> {
  const { key, execution, retryDelaysMs: delaysMs } = of
  if (!delaysMs.length || execution.cancelRequestedAt || execution.expiresAt <= (await readClock(tx)))
    return 0
  return (await listRetryHosts(tx, key, delaysMs)).length
}
