/** Ends an execution; a cancelled one takes every host and step that was not begun with it. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { listSteps, lockExecution, setExecutionState, setStepState } from '../store/postgres/executions.js'
import { cancelPendingHosts } from '../store/postgres/operate.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'

export function createEndExecution({ pool }: ControlDependencies): ControlActivities['endExecution'] {
  return (input) =>
    transaction(pool, async (tx) => {
      const key = { scopeId: input.scopeId as ScopeId, executionId: input.executionId as ExecutionId }
      await lockExecution(tx, key.scopeId, key.executionId)
      if (input.state === 'cancelled') {
        await cancelPendingHosts(tx, key, 'cancelled_by_operator')
        for (const step of await listSteps(tx, key.scopeId, key.executionId)) {
          if (!isFinalStepState(step.state))
            await setStepState(tx, { ...key, stepExecutionId: step.id }, 'cancelled', 'cancelled_by_operator')
        }
      }
      await setExecutionState(tx, key, input.state)
    })
}
