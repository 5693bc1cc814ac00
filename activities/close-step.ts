/** Gives a step its verdict, once every host of it has an end. */
import { isFinalExecutionState } from '../domain/execution.js'
import { type HostCounts, summarize } from '../domain/host-result.js'
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
import { takeLook } from '../store/postgres/looks.js'
import { listRetryHosts } from '../store/postgres/retries.js'
import type { Db } from '../store/postgres/pool.js'
import { closeEndedStep } from '../store/postgres/step-ends.js'
import { isEnding, type Looking } from './look-at-hosts.js'
import { type Key, superseded } from './owner.js'
import { settleVariables } from './settle-variables.js'

/** @returns its verdict and its hosts; nothing while one of them has no end, and on a held run */
export async function closeStep(
  tx: Db,
  { key, execution, look }: Looking,
  { onFailure: own, retryDelaysMs, undoes }: StepStanding,
): Promise<{ state: StepState; counts: HostCounts } | undefined> {
  if (isFinalExecutionState(execution.state)) throw superseded(key)
  const cancelled = execution.cancelRequestedAt !== null
  if (execution.pause !== null && !cancelled) return undefined
  const step = await getStep(tx, key)
  if (!step || summarize(step.counts).open) return undefined
  const ending = isEnding(execution, key)
  const hasFailed = autoRetriedStates.some((failed) => step.counts[failed])
  if (hasFailed && !ending && (await countRetrying(tx, { key, execution, retryDelaysMs }))) return undefined
  // A question that comes late decides nothing: whoever asked last has the answer.
  const { isTaken } = await takeLook(tx, key, { number: look, shards: [], again: true })
  if (!isTaken) return undefined
  const ignored = ending ? STEP_ENDED : step.failureIgnored ? 'failure_ignored' : undefined
  const onFailure = ignored ? 'ignore' : own
  const verdict = stepVerdict(step.counts, onFailure, cancelled)
  // What takes a step back sets nothing: values stay as they were when that had ended.
  const unsettled = undoes === null ? await settleVariables(tx, { key, execution, step, verdict }) : []
  const { state, reason } = unsettled.length
    ? disagreed(onFailure)
    : { state: verdict, reason: verdict === 'ignored' ? ignored : undefined }
  await setStepState(tx, key, state, reason)
  if (ending) await closeEndedStep(tx, key)
  return { state, counts: step.counts }
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
