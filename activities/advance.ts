/**
 * Advances a run: one question of its workflow, answered from the rows. Which question comes next follows from answers alone, so
 * that a history replays whenever its events came (ADR 17).
 */
import { isFinalExecutionState, nextStep } from '../domain/execution.js'
import type { HostCounts } from '../domain/host-result.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { inPlay } from '../domain/undo.js'
import {
  type Execution,
  getExecution,
  listStepStandings,
  type StepStanding,
} from '../store/postgres/executions.js'
import { requestCancel } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Advance, ControlActivities, Known, OperationOutcome } from './contract.js'
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
      const { key, execution: before } = await lockOwned(tx, asking)
      const { operations, engineCancelled, shards, waits, wakes, leave } = asking
      const outcomes: OperationOutcome[] = []
      for (const id of operations) outcomes.push(await decideOperation(tx, key, id))
      if (engineCancelled) await requestCancel(tx, key)
      const execution = operations.length || engineCancelled ? await reread(tx, key) : before
      const steps = await listStepStandings(tx, key)
      const known: Known = { shards, waits, wakes, engineCancelled, leave }
      return { ...(await advance(tx, deps, { key, execution, steps, look: asking.look, known })), outcomes }
    })
}

interface Advancing {
  key: Key
  execution: Execution
  steps: readonly StepStanding[]
  /** The number of the question. */
  look: number
  known: Known
}

/** In a transaction that holds the execution for its workflow, and has read it and its steps under that lock. */
export async function advance(
  tx: Db,
  deps: ControlDependencies,
  { key, execution, steps, look, known }: Advancing,
): Promise<Omit<Advance, 'outcomes'>> {
  // Turns change the states of their own steps and nothing of what operators have asked for: what was read still holds.
  const states = steps.map((step) => step.state)
  const counts: Record<number, HostCounts> = {}
  const answer = { known, counts, states, standing: standingOf(execution) }
  if (isFinalExecutionState(execution.state)) return { ...answer, ended: execution.state }
  if (known.leave) return answer
  // A run that ends at once has no answer for those who ask it something meanwhile.
  for (let ended = 0; ended < ENDED_AT_ONCE; ended++) {
    const left = inPlay(
      steps.map(({ undoes }, position) => ({ undoes, state: states[position] ?? 'pending' })),
    )
    const next = nextStep(
      left.map(({ state }) => state),
      execution.cancelRequestedAt !== null,
    )
    if (next.do === 'end')
      return { ...answer, ...(await endExecution(tx, key, next.state, { steps, states })) }
    const step = mustStep(key, steps[next.index])
    const looking = { key: { ...key, stepExecutionId: step.id }, execution, look, shards: known.shards }
    const turn = await takeTurn(tx, deps, looking, step)
    states[next.index] = turn.state
    counts[next.index] = turn.counts
    if (isFinalStepState(turn.state)) continue
    return { ...answer, step: { ...turn.look, position: next.index, stepExecutionId: step.id } }
  }
  return { ...answer, again: true }
}

async function reread(tx: Db, key: Key): Promise<Execution> {
  const execution = await getExecution(tx, key.scopeId, key.executionId)
  if (!execution) throw new Error(`there is no run r-${key.executionId}`)
  return execution
}

function mustStep(key: Key, step: StepStanding | undefined): StepStanding {
  if (step === undefined) throw new Error(`run r-${key.executionId} has no such step`)
  return step
}
