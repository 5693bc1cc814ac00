/** Decides an operation on a run that goes on: once, whoever asks again gets the same answer. */
import { isFinalExecutionState } from '../domain/execution.js'
import { routeOperation, viewOf } from '../domain/operation.js'
import { getExecution, listSteps } from '../store/postgres/executions.js'
import {
  decideOperation as writeDecision,
  getOperation,
  type Operation,
} from '../store/postgres/operations.js'
import type { Db } from '../store/postgres/pool.js'
import { applyLive } from './apply-live.js'
import type { OperationOutcome } from './contract.js'
import type { Key } from './owner.js'

export async function decideOperation(tx: Db, key: Key, operationId: string): Promise<OperationOutcome> {
  const operation = await getOperation(tx, key.scopeId, operationId)
  // Its row was lost with a database that was put back; or somebody asked past the API. Nothing of the run depends on it.
  if (operation?.executionId !== key.executionId)
    return { operationId, state: 'refused', reason: 'there is no such operation: ask for it again' }
  if (operation.state !== 'requested') return outcomeOf(operation)
  const execution = await getExecution(tx, key.scopeId, key.executionId)
  if (!execution || isFinalExecutionState(execution.state)) return { operationId, state: 'ended' }
  const steps = await listSteps(tx, key.scopeId, key.executionId)
  const route = routeOperation(operation.kind, operation.args, viewOf(execution, steps))
  const why = route.route === 'refuse' ? route.why : await applyLive(tx, key, steps, operation)
  const decision =
    why === undefined ? { state: 'accepted' as const } : { state: 'refused' as const, reason: why }
  await writeDecision(tx, key.scopeId, operation.id, decision)
  return { operationId, ...decision }
}

function outcomeOf({ id: operationId, state, reason }: Operation): OperationOutcome {
  return { operationId, state: state === 'accepted' ? 'accepted' : 'refused', ...(reason ? { reason } : {}) }
}
