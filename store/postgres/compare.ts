/** Two steps side by side: hosts in groups by what became of them in the one and in the other. */
import type { HostState } from '../../domain/host-result.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { Grouping } from './output-groups.js'
import type { Db } from './pool.js'

export interface Outcome {
  state: HostState
  exitCode: number | null
}

export interface ComparedGroup {
  /** A host that stands for the group. */
  hostId: string
  hostNames: string[]
  /** Null where the hosts were not among the step's. */
  before: Outcome | null
  after: Outcome | null
  /** Null where one of the two says nothing of its output. */
  sameOutput: boolean | null
}

interface StepKey {
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
}

/** Groups of hosts, largest first; those that are the same in all respects are one group, too. */
export async function compareSteps(
  db: Db,
  scopeId: ScopeId,
  { before, after, by }: { before: StepKey; after: StepKey; by: Grouping },
): Promise<ComparedGroup[]> {
  const of = (execution: string, step: string) =>
    `(select host_id, host_name, position, state, exit_code, output_sha256, normalised_sha256 from host_result
      where scope_id = $1 and execution_id = ${execution} and step_execution_id = ${step})`
  const alike = by === 'normalised' ? 'or coalesce(a.normalised_sha256 = b.normalised_sha256, false)' : ''
  const outcome = (side: string) =>
    `case when ${side}.state is not null then jsonb_build_object('state', ${side}.state, 'exitCode', ${side}.exit_code) end`
  const result = await db.query<ComparedGroup>(
    `select (array_agg(host_id order by position))[1] as "hostId", array_agg(host_name order by position) as "hostNames",
       was as before, is_now as after, same as "sameOutput"
     from (
       select coalesce(a.host_id, b.host_id) as host_id, coalesce(a.host_name, b.host_name) as host_name,
         coalesce(a.position, b.position) as position, ${outcome('b')} as was, ${outcome('a')} as is_now,
         a.output_sha256 = b.output_sha256 ${alike} as same
       from ${of('$4', '$5')} a full join ${of('$2', '$3')} b on b.host_id = a.host_id) pairs
     group by was, is_now, same order by count(*) desc, min(position)`,
    [scopeId, before.executionId, before.stepExecutionId, after.executionId, after.stepExecutionId],
  )
  return result.rows
}
