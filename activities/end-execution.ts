/** Ends an execution; a cancelled one takes every host and step that was not begun with it, and is undone if that was asked for. */
import type { ExecutionState } from '../domain/execution.js'
import { isFinalStepState, type StepState } from '../domain/step-execution.js'
import { endOfUndo, isUndoing } from '../domain/undo.js'
import { setExecutionState, setStepState, type StepExecution } from '../store/postgres/executions.js'
import { cancelPendingHosts } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'
import { stopGivenUp } from '../store/postgres/stops.js'
import { beginKeptUndo } from '../store/postgres/undone-runs.js'
import type { Key } from './owner.js'

/**
 * Ends it in a transaction that holds it. @param of its steps, and the states in which they are
 * @returns the states in which it leaves them, and how the run stands for its workflow then
 */
export async function endExecution(
  tx: Db,
  key: Key,
  state: 'succeeded' | 'failed' | 'cancelled',
  { steps, states }: { steps: readonly Pick<StepExecution, 'id' | 'undoes'>[]; states: readonly StepState[] },
): Promise<{ states: StepState[]; ended: ExecutionState }> {
  const left = [...states]
  if (state === 'cancelled') {
    await cancelPendingHosts(tx, key, 'cancelled_by_operator')
    await stopGivenUp(tx, key)
    for (const [position, step] of steps.entries()) {
      if (isFinalStepState(left[position] ?? 'pending')) continue
      await setStepState(tx, { ...key, stepExecutionId: step.id }, 'cancelled', 'cancelled_by_operator')
      left[position] = 'cancelled'
    }
  }
  const undo = state === 'cancelled' ? await beginKeptUndo(tx, key) : { goesOn: false }
  if (undo.goesOn) return { states: left, ended: state }
  const end = isUndoing(steps) ? endOfUndo(state) : { state, reason: undo.reason }
  await setExecutionState(tx, key, end.state, end.reason)
  return { states: left, ended: end.state }
}
