/** Who may change an execution: the workflow that its row names, in the chain of runs that claimed it, and nobody else. */
import { PlatformError } from '../domain/errors.js'
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { type Execution, lockExecution } from '../store/postgres/executions.js'
import type { Db } from '../store/postgres/pool.js'
import type { ExecutionRef, Standing } from './contract.js'

export interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/**
 * Locks the execution for an activity of its workflow. An activity may be repeated, or come late from a worker that was
 * thought dead, when another workflow carries the execution on already.
 * @throws PlatformError execution_unknown, execution_superseded
 */
export async function lockOwned(tx: Db, ref: ExecutionRef): Promise<{ key: Key; execution: Execution }> {
  const key = { scopeId: ref.scopeId as ScopeId, executionId: ref.executionId as ExecutionId }
  const execution = await lockExecution(tx, key.scopeId, key.executionId)
  if (!execution) throw new PlatformError('execution_unknown', `there is no run r-${key.executionId}`)
  if (!isOwner(execution, ref)) throw superseded(key)
  return { key, execution }
}

export function isOwner(execution: Execution, ref: ExecutionRef): boolean {
  return execution.workflowId === ref.workflowId && execution.runId === ref.firstRunId
}

export function superseded({ executionId }: Key): PlatformError {
  return new PlatformError(
    'execution_superseded',
    `run r-${executionId} has ended or is carried on by another workflow`,
  )
}

/** What the row says now, for the workflow to go by. */
export function standingOf(execution: Execution): Standing {
  return {
    paused: execution.pause !== null,
    cancelRequested: execution.cancelRequestedAt !== null,
  }
}
