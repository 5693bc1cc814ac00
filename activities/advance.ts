/**
 * Advances a run: one question of its workflow, answered from the rows. Which question comes next follows from answers alone, so
 * that a history replays whenever its events came (ADR 17).
 */
import { isFinalExecutionState, nextStep } from '../domain/execution.js'
import type { HostCounts } from '../domain/host-result.js'
import type { StepExecutionId } from '../domain/id.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { type Execution, getExecution, listStepStates } from '../store/postgres/executions.js'
import { requestCancel } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Advance, Asking, ControlActivities, Known, OperationOutcome } from './contract.js'
import { decideOperation } from './decide-operation.js'
import type { ControlDependencies } from './dependencies.js'
import { endExecution } from './end-execution.js'
import { type Key, lockOwned, standingOf } from './owner.js'
import { takeTurn } from './take-turn.js'

/** Each step that is ended because its condition is not met writes all its hosts: more of them are left to the next question. */
const ENDED_AT_ONCE = 5

export function createAdvance(deps: ControlDependencies): ControlActivities['advance'] {
  return (asking) =>
    transaction(deps.pool, async (tx) => {
      const { key, execution } = await lockOwned(tx, asking)
      return advance(tx, deps, { key, execution, asking })
    })
}

interface Advancing {
  key: Key
  /** As it was before. */
  execution: Execution
  asking: Omit<Asking, keyof Key | 'workflowId' | 'firstRunId'>
}

/** In a transaction that holds the execution for its workflow. */
export async function advance(
  tx: Db,
  deps: ControlDependencies,
  { key, execution: before, asking }: Advancing,
): Promise<Advance> {
  const { operations, look, shards, waits, wakes, engineCancelled, leave } = asking
  const known: Known = { shards, waits, wakes, engineCancelled, leave }
  const outcomes: OperationOutcome[] = []
  for (const id of operations) outcomes.push(await decideOperation(tx, key, id))
  if (engineCancelled) await requestCancel(tx, key)
  const execution = operations.length || engineCancelled ? await reread(tx, key) : before
  const counts: Record<number, HostCounts> = {}
  const answer = async () => {
    const now = await reread(tx, key)
    const states = (await listStepStates(tx, key)).map((step) => step.state)
    return { known, outcomes, counts, states, standing: standingOf(now) }
  }
  if (isFinalExecutionState(execution.state)) return { ...(await answer()), ended: execution.state }
  if (leave) return answer()
  // A run that ends at once has no answer for those who ask it something meanwhile.
  for (let ended = 0; ended < ENDED_AT_ONCE; ended++) {
    const steps = await listStepStates(tx, key)
    const next = nextStep(
      steps.map((step) => step.state),
      execution.cancelRequestedAt !== null,
    )
    if (next.do === 'end') {
      await endExecution(tx, key, next.state, steps)
      return { ...(await answer()), ended: next.state }
    }
    const stepExecutionId = idOf(key, steps[next.index]?.id)
    const turn = await takeTurn(tx, deps, { key: { ...key, stepExecutionId }, execution, look, shards })
    counts[next.index] = turn.counts
    if (isFinalStepState(turn.state)) continue
    return { ...(await answer()), step: { ...turn.look, position: next.index, stepExecutionId } }
  }
  return { ...(await answer()), again: true }
}

async function reread(tx: Db, key: Key): Promise<Execution> {
  const execution = await getExecution(tx, key.scopeId, key.executionId)
  if (!execution) throw new Error(`there is no run r-${key.executionId}`)
  return execution
}

function idOf(key: Key, id: StepExecutionId | undefined): StepExecutionId {
  if (id === undefined) throw new Error(`run r-${key.executionId} has no such step`)
  return id
}
