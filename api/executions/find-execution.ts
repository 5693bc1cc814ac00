/** Finding the execution and the step that a path names. */
import { PlatformError } from '../../domain/errors.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { type Execution, findStep, getExecution } from '../../store/postgres/executions.js'
import type { Db } from '../../store/postgres/pool.js'

export function executionUnknown(executionId: string): PlatformError {
  return new PlatformError(
    'execution_unknown',
    `there is no run r-${executionId} in this scope; see: drover runs ls`,
  )
}

/** @throws PlatformError execution_unknown */
export async function mustFindExecution(db: Db, scopeId: ScopeId, executionId: string): Promise<Execution> {
  const execution = await getExecution(db, scopeId, executionId as ExecutionId)
  if (execution) return execution
  throw executionUnknown(executionId)
}

export interface StepKey {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
}

/** @throws PlatformError execution_unknown, step_unknown */
export async function mustFindStep(
  db: Db,
  scopeId: ScopeId,
  path: { executionId: string; position: number },
): Promise<StepKey> {
  const executionId = path.executionId as ExecutionId
  const stepExecutionId = await findStep(db, scopeId, executionId, path.position)
  if (stepExecutionId) return { scopeId, executionId, stepExecutionId }
  await mustFindExecution(db, scopeId, executionId)
  throw new PlatformError(
    'step_unknown',
    `run r-${executionId} has no step at position ${path.position}; positions count from 0`,
  )
}
