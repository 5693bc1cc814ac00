/** Following: where each host of an execution stands, in as few columns as a live view needs. */
import type { HostState } from '../../domain/host-result.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface FollowedHost {
  stepExecutionId: StepExecutionId
  stepPosition: number
  hostId: string
  hostName: string
  /** In the order of the target. */
  position: number
  attempt: number
  state: HostState
  exitCode: number | null
  reason: string | null
  stdoutBytes: number | null
  stderrBytes: number | null
  truncated: boolean
}

/**
 * Hosts of one step or of all, in order; one row more than `limit` tells that there are too many.
 * @param which.hostIds undefined for every host
 * @param which.from the first one, by the positions of its step and of itself
 */
export async function listFollowedHosts(
  db: Db,
  execution: { scopeId: ScopeId; executionId: ExecutionId },
  which: {
    hostIds: readonly string[] | undefined
    step: number | undefined
    limit: number
    from?: { step: number; host: number }
  },
): Promise<FollowedHost[]> {
  const result = await db.query<FollowedHost>(
    `select r.step_execution_id as "stepExecutionId", s.position as "stepPosition", r.host_id as "hostId", r.host_name as "hostName",
       r.position, r.attempt, r.state, r.exit_code as "exitCode", r.reason, r.stdout_bytes::float8 as "stdoutBytes",
       r.stderr_bytes::float8 as "stderrBytes", r.truncated
     from step_execution s
     join host_result r on r.scope_id = s.scope_id and r.execution_id = s.execution_id and r.step_execution_id = s.id
     where s.scope_id = $1 and s.execution_id = $2 and ($3::bigint[] is null or r.host_id = any($3)) and ($4::int is null or s.position = $4)
       and s.position >= $6 and (s.position, r.position) >= ($6, $7)
     order by s.position, r.position limit $5`,
    [
      execution.scopeId,
      execution.executionId,
      which.hostIds ?? null,
      which.step ?? null,
      which.limit + 1,
      which.from?.step ?? 0,
      which.from?.host ?? 0,
    ],
  )
  return result.rows
}
