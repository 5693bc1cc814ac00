/** Hosts whose attempt failed and that get another one by themselves: when it is due, by the database's clock. */
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { autoRetriedStates } from '../../domain/retry.js'
import type { Db } from './pool.js'

export interface DueHost {
  hostId: HostId
  /** Negative or 0: now. */
  dueInMs: number
}

/** Only what certainly ran is run again. @param delaysMs the wait after each attempt; hosts that had more are left alone */
export async function listRetryHosts(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  delaysMs: readonly number[],
): Promise<DueHost[]> {
  if (!delaysMs.length) return []
  const result = await db.query<DueHost>(
    `select host_id as "hostId",
       (extract(epoch from ended_at - clock_timestamp()) * 1000 + ($5::bigint[])[attempt])::float8 as "dueInMs"
     from host_result
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and state = any($4) and started = 'yes'
       and attempt <= cardinality($5::bigint[])
     order by position`,
    [step.scopeId, step.executionId, step.stepExecutionId, autoRetriedStates, delaysMs],
  )
  return result.rows
}
