/** A cancel pressed in the engine's own UI: taken as an operator's cancel, so that scripts are stopped and hosts get an end. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { requestCancel } from '../store/postgres/operate.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'

export function createCancelFromEngine({ pool }: ControlDependencies): ControlActivities['cancelFromEngine'] {
  return (input) =>
    transaction(pool, (tx) =>
      requestCancel(tx, { scopeId: input.scopeId as ScopeId, executionId: input.executionId as ExecutionId }),
    )
}
