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
  // An attempt that never began was none of the policy's.
  const result = await db.query<DueHost>(
    `select "hostId", (extract(epoch from ended_at - clock_timestamp()) * 1000 + ($5::bigint[])[begun])::float8 as "dueInMs"
     from (
       select host_id as "hostId", position, ended_at, attempt - case when attempt = 1 then 0 else (
         select count(*)::int from host_attempt a where a.scope_id = r.scope_id and a.execution_id = r.execution_id
           and a.step_execution_id = r.step_execution_id and a.host_id = r.host_id and a.started = 'no') end as begun
       from host_result r
       where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and state = any($4) and started = 'yes') failed
     where begun <= cardinality($5::bigint[])
     order by position`,
    [step.scopeId, step.executionId, step.stepExecutionId, autoRetriedStates, delaysMs],
  )
  return result.rows
}
