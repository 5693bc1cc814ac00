/** Verdicts: what was said of a host's attempts, one after another. */
import type { HostState, Started } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { scriptOfAttempt } from './host-results.js'
import type { Db } from './pool.js'

/** What was said of one attempt at one time. */
export interface Verdict {
  attempt: number
  state: HostState
  started: Started
  reason: string | null
  detail: string | null
  exitCode: number | null
  signal: string | null
  /** When it was said; null for what has no end yet. */
  at: Date | null
  /** Whether it took the place of `unknown`. */
  amended: boolean
  /** Hex, of what the attempt runs. */
  scriptSha256: string
}

/** All verdicts on a host in a step, oldest first: each attempt's end, and `unknown` before the end that became known. */
export async function listVerdicts(
  db: Db,
  result: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId; hostId: HostId },
): Promise<Verdict[]> {
  const attempts = ['host_attempt', 'host_result'].map(
    (
      table,
    ) => `select attempt, state, started, reason, detail, exit_code, signal, ended_at, resolved_at, unknown_at, unknown_reason,
         ${scriptOfAttempt} as script
       from ${table} where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and host_id = $4`,
  )
  const { rows } = await db.query<Verdict>(
    `with a as (${attempts.join(' union all ')})
     select * from (
       select attempt, 'unknown' as state, 'maybe' as started, unknown_reason as reason, null as detail, null::int as "exitCode",
         null as signal, unknown_at as at, false as amended, script as "scriptSha256"
       from a where unknown_at is not null
       union all
       select attempt, state, started, reason, detail, exit_code, signal, coalesce(resolved_at, ended_at), unknown_at is not null, script from a
     ) v order by attempt, amended`,
    [result.scopeId, result.executionId, result.stepExecutionId, result.hostId],
  )
  return rows
}
