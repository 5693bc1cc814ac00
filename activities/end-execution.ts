/** Ends an execution; a cancelled one takes every host and step that was not begun with it. */
import { isFinalExecutionState, nextStep } from '../domain/execution.js'
import { isFinalStepState } from '../domain/step-execution.js'
import {
  listStepStates,
  setExecutionState,
  setStepState,
  type StepExecution,
} from '../store/postgres/executions.js'
import { cancelPendingHosts } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities, Ending } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { type Key, lockOwned, standingOf } from './owner.js'

export function createEndExecution({ pool }: ControlDependencies): ControlActivities['endExecution'] {
  return (input) =>
    transaction(pool, async (tx): Promise<Ending> => {
      const { key, execution } = await lockOwned(tx, input)
      if (isFinalExecutionState(execution.state)) return { ended: true, state: execution.state }
      const steps = await listStepStates(tx, key)
      const states = steps.map((step) => step.state)
      const standing = standingOf(execution)
      const next = nextStep(states, standing.cancelRequested)
      if (next.do !== 'end') return { ended: false, steps: states, standing }
      await endAs(tx, key, next.state, steps)
      return { ended: true, state: next.state }
    })
}

/** Ends it in a transaction that holds it, its steps as they were read there. */
export async function endAs(
  tx: Db,
  key: Key,
  state: 'succeeded' | 'failed' | 'cancelled',
  steps: readonly Pick<StepExecution, 'id' | 'state'>[],
): Promise<void> {
  if (state === 'cancelled') {
    await cancelPendingHosts(tx, key, 'cancelled_by_operator')
    for (const step of steps) {
      if (!isFinalStepState(step.state))
        await setStepState(tx, { ...key, stepExecutionId: step.id }, 'cancelled', 'cancelled_by_operator')
    }
  }
  await setExecutionState(tx, key, state)
}
