/** Telling a running workflow of an operation that has its row already. */
import { argsForEngine } from '../../domain/operation.js'
import { markTold } from '../../store/postgres/operations.js'
import type { ScopedCall } from '../operation.js'
import type { Request } from './apply-operation.js'
import { mustFindExecution } from './find-execution.js'

/** The row has cancelled it already; the update only makes the workflow look at once. */
export const CANCEL_WITHIN_MS = 500

/** What cannot be told now is told by the workers' sweeper. */
export async function tellWorkflow(
  call: Pick<ScopedCall, 'services' | 'scope'>,
  request: Request,
  withinMs: number,
) {
  const { services, scope } = call
  const { workflowId } = await mustFindExecution(services.pool, scope.id, request.executionId)
  const { operationId, kind } = request
  const args = argsForEngine(request.args)
  const answer = await services.engine.operate(workflowId, { operationId, kind, args }, withinMs)
  // Until then the workers' sweeper tells it again.
  if (answer.state !== 'away') await markTold(services.pool, scope.id, operationId)
  return answer
}
