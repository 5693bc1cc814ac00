/** Host results, read: what each host made of a step, and the groups of hosts that made the same of it. */
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
  resolvedAt: Date | null
}

const resultColumns = `host_id as "hostId", host_name as "hostName", position, attempt, state, started, reason, detail, exit_code as "exitCode",
  signal, started_at as "startedAt", ended_at as "endedAt", duration_ms::float8 as "durationMs", stdout_bytes::float8 as "stdoutBytes",
  stderr_bytes::float8 as "stderrBytes", truncated, resolved_at as "resolvedAt"`

/** Host results of a step in target order, after a position. */
export async function listHostResults(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  page: { after: number; limit: number; states?: HostState[] | undefined },
): Promise<HostResult[]> {
  const result = await db.query<HostResult>(
    `select ${resultColumns} from host_result
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and position > $4 and ($6::text[] is null or state = any($6))
     order by position limit $5`,
    [step.scopeId, step.executionId, step.stepExecutionId, page.after, page.limit, page.states ?? null],
  )
  return result.rows
}

export interface OutputGroup {
  /** A host whose output stands for the group's. */
  hostId: string
  state: HostState
  exitCode: number | null
  stdoutBytes: number | null
  stderrBytes: number | null
  hostNames: string[]
}

/** The step's hosts in groups whose state, exit code and output are the same, largest first. */
export async function listOutputGroups(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
): Promise<OutputGroup[]> {
  const result = await db.query<OutputGroup>(
    `select (array_agg(host_id order by position))[1] as "hostId", state, exit_code as "exitCode",
       max(stdout_bytes)::float8 as "stdoutBytes", max(stderr_bytes)::float8 as "stderrBytes", array_agg(host_name order by position) as "hostNames"
     from host_result where scope_id = $1 and execution_id = $2 and step_execution_id = $3
     group by state, exit_code, output_sha256 order by count(*) desc, min(position)`,
    [step.scopeId, step.executionId, step.stepExecutionId],
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
