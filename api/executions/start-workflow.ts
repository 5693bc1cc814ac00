/** Starting an execution's workflow after its rows are committed; what fails here is started by the workers' sweeper. */
import { isHeldByRecovery } from '../../domain/execution.js'
import type { ExecutionId } from '../../domain/id.js'
import { type Execution, getExecution } from '../../store/postgres/executions.js'
import type { Scope } from '../../store/postgres/scopes.js'
import type { StartedExecution } from '../../workflows/start.js'
import type { Services } from '../services.js'

/** A launch answers within this, whether Temporal does or not. */
const START_WITHIN_MS = 2_000

/** Starts that of a new execution. Never rejects: the row is the promise, and the sweeper keeps it. */
export async function startWorkflow(
  services: Services,
  execution: StartedExecution & Pick<Execution, 'state' | 'reason'>,
): Promise<void> {
  if (isHeldByRecovery(execution)) return
  try {
    await services.engine.start(execution, START_WITHIN_MS)
  } catch (error) {
    leaveToSweeper(services, execution.id, error)
  }
}

/** Starts that of an execution which was taken up again. Never rejects, either. */
export async function startContinuation(
  services: Services,
  scope: Scope,
  executionId: string,
): Promise<void> {
  try {
    const execution = await getExecution(services.pool, scope.id, executionId as ExecutionId)
    if (execution) await startWorkflow(services, { ...execution, scopeName: scope.name })
  } catch (error) {
    leaveToSweeper(services, executionId, error)
  }
}

function leaveToSweeper({ logger }: Services, executionId: string, err: unknown): void {
  logger.warn({ err, executionId }, 'the workflow was not started at once; the sweeper will start it')
}
