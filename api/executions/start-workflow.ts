/** Starting an execution's workflow after its rows are committed; what fails here is started by the workers' sweeper. */
import { isHeldByRecovery } from '../../domain/execution.js'
import type { ExecutionId } from '../../domain/id.js'
import { getExecution } from '../../store/postgres/executions.js'
import type { Scope } from '../../store/postgres/scopes.js'
import type { Services } from '../services.js'

/** A launch answers within this, whether Temporal does or not. */
const START_WITHIN_MS = 2_000

/** Never rejects: the row is the promise, and the sweeper keeps it. */
export async function startWorkflow(services: Services, scope: Scope, executionId: string): Promise<void> {
  try {
    const execution = await getExecution(services.pool, scope.id, executionId as ExecutionId)
    if (!execution || isHeldByRecovery(execution)) return
    await services.engine.start({ ...execution, scopeName: scope.name }, START_WITHIN_MS)
  } catch (error) {
    services.logger.warn(
      { err: error, executionId },
      'the workflow was not started at the launch; the sweeper will start it',
    )
  }
}
