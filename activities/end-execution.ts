/** Ends an execution; a cancelled one takes every host and step that was not begun with it. */
import { isFinalStepState } from '../domain/step-execution.js'
import { setExecutionState, setStepState, type StepExecution } from '../store/postgres/executions.js'
import { cancelPendingHosts } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'
import { keepStops } from '../store/postgres/step-ends.js'
import type { Key } from './owner.js'

/** Ends it in a transaction that holds it, its steps as they were read there. */
export async function endExecution(
  tx: Db,
  key: Key,
  state: 'succeeded' | 'failed' | 'cancelled',
  steps: readonly Pick<StepExecution, 'id' | 'state'>[],
): Promise<void> {
  if (state === 'cancelled') {
    await cancelPendingHosts(tx, key, 'cancelled_by_operator')
    await keepStops(tx, key)
    for (const step of steps) {
      if (!isFinalStepState(step.state))
        await setStepState(tx, { ...key, stepExecutionId: step.id }, 'cancelled', 'cancelled_by_operator')
    }
  }
  await setExecutionState(tx, key, state)
}
