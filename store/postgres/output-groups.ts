/** Hosts of a step in groups: those that ended the same and wrote the same, byte for byte or after normalising. */
import type { HostState } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { Db } from './pool.js'

/** What is compared of outputs: their bytes, or what is left of them without times, ids and the host's own name. */
export const groupings = ['normalised', 'output'] as const
export type Grouping = (typeof groupings)[number]

/** What makes a group: the same outcome and output, or the same state and tag whatever was written. */
export const groupKeys = [...groupings, 'tag'] as const
export type GroupKey = (typeof groupKeys)[number]

/** Of a group by `tag`, what its hosts do not share is null, and `truncated` says whether any of them is. */
export interface OutputGroup {
  /** A host whose output stands for the group's. */
  hostId: string
  hostName: string
  state: HostState
  exitCode: number | null
  reason: string | null
  /** What their scripts said the outcome is called. */
  tag: string | null
  truncated: boolean
  /** What is the same in the outputs; null where the hosts have not said what they wrote. */
  identical: Grouping | null
  /** Of the host that stands for the group. */
  stdoutBytes: number | null
  stderrBytes: number | null
  /** Position of its first host. */
  first: number
  hostNames: string[]
}

/** What the hosts of a group have in common beside their output. One more, such as a tag, is one more line here. */
const common = {
  state: 'state',
  exitCode: 'exit_code',
  reason: 'reason',
  tag: 'tag',
  truncated: 'truncated',
}
const commonColumns = Object.values(common).join(', ')
const commonFields = Object.entries(common)
  .map(([field, column]) => `${column} as "${field}"`)
  .join(', ')

const told = `encode(normalised_sha256, 'hex')`
const sameBytes = 'over (partition by output_sha256)'

/** What makes a group, and what is told of one, in SQL. */
interface GroupShape {
  /** Of a host, by the name `output`: what stands for what it wrote. */
  output: string
  /** Columns that the hosts of a group have in common. */
  keys: string
  fields: string
  identical: string
}

const byOutput = (output: string): GroupShape => ({
  output,
  keys: `${commonColumns}, output`,
  fields: commonFields,
  identical: `case count(distinct output_sha256) when 0 then null when 1 then 'output' else 'normalised' end`,
})

/** Of a column: what all hosts of the group have there, else null. */
const shared = (column: string) =>
  `case when count(distinct ${column}) = 1 and count(${column}) = count(*) then min(${column}) end`

/**
 * By what outputs are the same. Equal bytes are in one group whatever their agents said of them: one may not normalise, and one that
 * finds its own name among all hosts' takes that out, others theirs. Where agents disagree on equal bytes those are compared as they are:
 * no host can make the outputs of others look alike.
 */
const shapes: Record<GroupKey, GroupShape> = {
  output: byOutput('output_sha256'),
  normalised: byOutput(
    `coalesce(case when min(${told}) ${sameBytes} = max(${told}) ${sameBytes} then min(${told}) ${sameBytes} end, encode(output_sha256, 'hex'))`,
  ),
  tag: {
    output: 'null',
    keys: 'state, tag',
    fields: `state, tag, ${shared('exit_code')} as "exitCode", ${shared('reason')} as reason, bool_or(truncated) as truncated`,
    identical: `case when ${shared('output_sha256::text')} is not null then 'output' end`,
  },
}

interface StepKey {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
}

/** Where a page goes on: after a group of so many hosts, the first of them at that position. */
export interface GroupCursor {
  hosts: number
  first: number
}

/** A page of groups, largest first, and how many there are in all. */
export async function listOutputGroups(
  db: Db,
  step: StepKey,
  page: { by: GroupKey; after?: GroupCursor | undefined; limit: number },
): Promise<{ groups: OutputGroup[]; total: number }> {
  const { output, keys, fields, identical } = shapes[page.by]
  const example = (column: string) => `(array_agg(${column} order by position))[1]`
  const result = await db.query<OutputGroup & { total: number }>(
    `with results as (
       select host_id, host_name, position, ${commonColumns}, stdout_bytes, stderr_bytes, output_sha256, ${output} as output
       from host_result where scope_id = $1 and execution_id = $2 and step_execution_id = $3
     ), grouped as (
       select ${example('host_id')} as "hostId", ${example('host_name')} as "hostName", ${fields},
         ${identical} as identical,
         ${example('stdout_bytes')}::float8 as "stdoutBytes", ${example('stderr_bytes')}::float8 as "stderrBytes",
         count(*)::int as hosts, min(position) as first, array_agg(host_name order by position) as "hostNames"
       from results group by ${keys})
     select g.*, t.total from (select count(*)::int as total from grouped) t left join lateral (
       select * from grouped where $4::int is null or (hosts, -first) < ($4, -$5::int) order by hosts desc, first limit $6) g on true`,
    [
      step.scopeId,
      step.executionId,
      step.stepExecutionId,
      page.after?.hosts ?? null,
      page.after?.first ?? null,
      page.limit,
    ],
  )
  const groups = result.rows
    .filter((group) => group.hostId !== null)
    .map(({ total: _total, ...group }) => group)
  return { groups, total: result.rows[0]?.total ?? 0 }
}

/** What a host of a step is called, by Drover and by its system, and when the step began. */
export async function findSelf(
  db: Db,
  step: StepKey,
  hostId: HostId,
): Promise<{ names: string[]; startedAt: Date | null }> {
  const result = await db.query<{ names: string[]; startedAt: Date | null }>(
    `select array_remove(array[r.host_name, f.value], null) as names, s.started_at as "startedAt"
     from host_result r join step_execution s on s.scope_id = r.scope_id and s.id = r.step_execution_id
     left join host_fact f on f.scope_id = r.scope_id and f.host_id = r.host_id and f.key = 'hostname'
     where r.scope_id = $1 and r.execution_id = $2 and r.step_execution_id = $3 and r.host_id = $4`,
    [step.scopeId, step.executionId, step.stepExecutionId, hostId],
  )
  return result.rows[0] ?? { names: [], startedAt: null }
}
