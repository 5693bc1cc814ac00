/** Host results, read: what each host made of a step. */
import type { HostState } from '../../domain/host-result.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface HostResult {
  hostId: string
  hostName: string
  position: number
  attempt: number
  state: HostState
  started: 'no' | 'yes' | 'maybe'
  reason: string | null
  detail: string | null
  exitCode: number | null
  signal: string | null
  startedAt: Date | null
  endedAt: Date | null
  durationMs: number | null
  stdoutBytes: number | null
  stderrBytes: number | null
  truncated: boolean
  /** What the script said its outcome is called. */
  tag: string | null
  resolvedAt: Date | null
  /** Hex, of what the attempt runs. */
  scriptSha256: string
}

/**
 * What an attempt runs, of the step execution $3 in the execution $2: where the row does not say, what the plan does. Looked up
 * once for all rows.
 */
export const scriptOfAttempt = `coalesce(encode(script_sha256, 'hex'), (
  select p.body->'steps'->s.position->>'scriptSha256' from step_execution s
  join execution e on e.scope_id = s.scope_id and e.id = s.execution_id
  join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash
  where s.scope_id = $1 and s.execution_id = $2 and s.id = $3))`

const resultColumns = `host_id as "hostId", host_name as "hostName", position, attempt, state, started, reason, detail, exit_code as "exitCode",
  signal, started_at as "startedAt", ended_at as "endedAt", duration_ms::float8 as "durationMs", stdout_bytes::float8 as "stdoutBytes",
  stderr_bytes::float8 as "stderrBytes", truncated, tag, resolved_at as "resolvedAt", ${scriptOfAttempt} as "scriptSha256"`

/** Host results of a step in target order, after a position. */
export async function listHostResults(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  page: { after: number; limit: number; states?: HostState[] | undefined; tag?: string | undefined },
): Promise<HostResult[]> {
  const result = await db.query<HostResult>(
    `select ${resultColumns} from host_result
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and position > $4 and ($6::text[] is null or state = any($6))
       and ($7::text is null or tag = $7)
     order by position limit $5`,
    [
      step.scopeId,
      step.executionId,
      step.stepExecutionId,
      page.after,
      page.limit,
      page.states ?? null,
      page.tag ?? null,
    ],
  )
  return result.rows
}

/** One host's result of a step: of an attempt, or of the latest. */
export async function findHostResult(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  hostId: string,
  attempt?: number,
): Promise<HostResult | undefined> {
  const params = [step.scopeId, step.executionId, step.stepExecutionId, hostId]
  const where = 'where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and host_id = $4'
  const [latest] = (await db.query<HostResult>(`select ${resultColumns} from host_result ${where}`, params))
    .rows
  if (!latest || attempt === undefined || attempt === latest.attempt) return latest
  const earlier = await db.query<HostResult>(
    `select ${resultColumns.replace('host_name as "hostName", position,', '')} from host_attempt ${where} and attempt = $5`,
    [...params, attempt],
  )
  const [row] = earlier.rows
  return row && { ...row, hostName: latest.hostName, position: latest.position }
}
