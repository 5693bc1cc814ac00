/** A look at a step that waits: it begins with the first one, and is over at its time. */
import type { StepExecutionId } from '../domain/id.js'
import { wakeTime } from '../domain/step/wait-step.js'
import { isFinalExecutionState } from '../domain/execution.js'
import {
  type Execution,
  readClock,
  setExecutionState,
  setStepState,
  setWakeTime,
  type StepStanding,
} from '../store/postgres/executions.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import type { Look } from './contract.js'
import { type Key, superseded } from './owner.js'

/** @returns until when it still waits; undefined where it has ended, or nothing goes on because the run is held */
export async function lookAtWait(
  tx: Db,
  key: Key & { stepExecutionId: StepExecutionId },
  { execution, step }: { execution: Execution; step: StepStanding },
): Promise<Look['wake']> {
  if (isFinalExecutionState(execution.state)) throw superseded(key)
  if (execution.cancelRequestedAt) {
    await setStepState(tx, key, 'cancelled', 'cancelled_by_operator')
    return undefined
  }
  if (execution.pause) return undefined
  const now = await readClock(tx)
  const wakeAt = step.wakeAt ?? (await begin(tx, key, { execution, step, now }))
  if (wakeAt <= now) {
    await setExecutionState(tx, key, 'running')
    await setStepState(tx, key, 'succeeded')
    return undefined
  }
  await setExecutionState(tx, key, 'waiting', `until ${wakeAt.toISOString()}`)
  await setStepState(tx, key, 'waiting', `until ${wakeAt.toISOString()}`)
  return { at: wakeAt.toISOString(), inMs: wakeAt.getTime() - now.getTime() }
}

async function begin(
  tx: Db,
  key: Key & { stepExecutionId: StepExecutionId },
  { execution, step, now }: { execution: Execution; step: StepStanding; now: Date },
): Promise<Date> {
  const compiled = (await findPlan(tx, key.scopeId, execution.planHash))?.steps[step.position]
  if (compiled?.type !== 'wait')
    throw new Error(`step ${step.position + 1} of r-${key.executionId} is no wait`)
  const wakeAt = wakeTime(compiled, now)
  await setWakeTime(tx, key, wakeAt)
  return wakeAt
}
