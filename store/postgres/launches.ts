/** Launching: everything that an execution is, written in one transaction. */
import type { ExecutionId, PrincipalId, ScopeId } from '../../domain/id.js'
import { type FrozenTargets, listsOf } from '../../domain/frozen-targets.js'
import { workflowIdOf } from '../../domain/execution.js'
import type { Compilation, CompiledPlan } from '../../domain/plan.js'
import { conditionsOf, isConditional, onFailureOf } from '../../domain/nested-plan.js'
import { publicName } from '../../domain/script-library.js'
import { listKey, namesText } from '../../domain/step/import.js'
import {
  awayMsOf,
  type CompiledStep,
  hostStepOf,
  importsOf,
  retryDelaysOf,
  undoesOf,
} from '../../domain/step/step.js'
import { secretsIn } from '../../domain/visit-secrets.js'
import { type Execution, executionColumns } from './executions.js'
import { holdLaunch, launchesHeld } from './held-runs.js'
import { insertRunSecrets } from './own-values.js'
import { insertPlan } from './plans.js'
import { type Db, one } from './pool.js'
import { keepPublicTexts } from './script-uses.js'

export interface Launch {
  scopeId: ScopeId
  scopeName: string
  principalId: PrincipalId
  trigger: 'api' | 'schedule' | 'nested'
  compilation: Compilation
  /** Of the run, as it was written; empty where every step has its own. */
  target: string
  targets: FrozenTargets
  /** How long orders of this run may be carried out, ms. */
  expiresInMs: number
}

/** A row for each host of one list, in each step that goes there. @param first number of the first of its four parameters */
const insertingResults = (
  steps: string,
  first: number,
) => `insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position)
  select $1, s.execution_id, s.id, h.id, h.name, h.place
  from ${steps}, unnest($${first + 1}::bigint[], $${first + 2}::text[], $${first + 3}::int[]) as h (id, name, place) where s.position = any($${first}::int[])`

/**
 * Writes the execution, its steps and a row for each host of each step. Nothing runs until the workflow is started; after
 * the database was put back it is held until a person says that all is well: what a client asks for again may have run.
 */
export async function insertLaunch(tx: Db, launch: Launch): Promise<Execution> {
  const { scopeId, compilation, targets } = launch
  const { plan } = compilation
  await keepPublicTexts(tx, scopeId, publicTextsOf(plan.steps))
  const planHash = await insertPlan(tx, scopeId, compilation)
  // Mostly all steps go to the same hosts: that is one statement.
  const [list, ...others] = listsOf(targets).filter(({ hosts }) => hosts.length)
  const made = await tx.query<Execution & { isHeld: boolean }>(
    `with drawn as (select nextval(pg_get_serial_sequence('execution', 'id')) as id),
     e as (
       insert into execution (scope_id, id, name, state, plan_hash, workflow_id, trigger, launched_by, target, hosts, expires_at,
         expires_in_ms, output_day, next_seq, undo_step_ids)
       overriding system value
       select $1, id, $2, 'pending', $3, $4::text || id, $5, $6, $7, $8, now() + $9::bigint * interval '1 ms', $9::bigint,
         to_char(now() at time zone 'utc', 'YYYYMMDD'), 2,
         array(select nextval(pg_get_serial_sequence('step_execution', 'id')) from generate_series(1, $15::int))
       from drawn returning *),
     first_event as (
       insert into event (scope_id, execution_id, seq, at, type, body)
       select $1, id, 1, clock_timestamp(), 'execution', jsonb_build_object('state', state, 'hosts', hosts) from e),
     steps as (
       insert into step_execution (scope_id, execution_id, path, position, name, state, type, hosts, retry_delays_ms, condition, on_failure,
         takes_hosts, away_ms)
       select $1, e.id, s.step->>'path', s.n - 1, s.step->>'name', 'pending', s.step->>'type', (s.step->>'hosts')::int,
         array(select jsonb_array_elements_text(s.step->'retryDelaysMs')::bigint), s.step->>'when', s.step->>'onFailure',
         (s.step->>'takesHosts')::boolean, (s.step->>'awayMs')::bigint
       from e, jsonb_array_elements($10::jsonb) with ordinality as s (step, n) returning *),
     results as (${insertingResults('steps s', 11)})
     select ${executionColumns}, ${launchesHeld} as "isHeld" from e join principal p on p.id = e.launched_by`,
    [
      scopeId,
      plan.name,
      planHash,
      // The number of the execution is drawn there, and is the end of the id.
      workflowIdOf(launch.scopeName, '', 0),
      launch.trigger,
      launch.principalId,
      launch.target,
      targets.hosts.length,
      launch.expiresInMs,
      JSON.stringify(
        plan.steps.flatMap((step, position) =>
          undoesOf(step) === undefined
            ? [{ ...fieldsOf(plan, position), hosts: targets.steps[position]?.length ?? 0 }]
            : [],
        ),
      ),
      ...paramsOf(targets, list),
      plan.steps.filter((step) => undoesOf(step) !== undefined).length,
    ],
  )
  const { isHeld, ...execution } = one(made)
  const steps = '(select * from step_execution where scope_id = $1 and execution_id = $2) s'
  for (const other of others)
    await tx.query(insertingResults(steps, 3), [scopeId, execution.id, ...paramsOf(targets, other)])
  await insertImports(tx, scopeId, execution.id, launch)
  const secrets = secretsIn(plan).map(({ frozen }) => frozen.secret)
  await insertRunSecrets(tx, { scopeId, executionId: execution.id }, secrets)
  return isHeld ? holdLaunch(tx, execution) : execution
}

type List = ReturnType<typeof listsOf>[number]

const paramsOf = ({ hosts }: FrozenTargets, list: List = { hosts: [], steps: [] }) => [
  list.steps,
  list.hosts.map((place) => hosts[place]?.id),
  list.hosts.map((place) => hosts[place]?.name),
  list.hosts,
]

/** Texts of public scripts, which stand in another scope. */
function publicTextsOf(steps: readonly CompiledStep[]): string[] {
  return steps.flatMap((compiled) => {
    const step = hostStepOf(compiled)
    return step?.source && publicName(step.source.script) !== undefined ? step.scriptSha256 : []
  })
}

/** What is kept beside the compiled step, for it is asked at each look. */
export function fieldsOf(plan: CompiledPlan, position: number) {
  const step = plan.steps[position]
  if (!step) throw new Error(`the plan has no step ${position + 1}`)
  const { type, name, path = String(position) } = step
  const takesHosts = hostStepOf(step)?.takes !== undefined
  const onFailure = onFailureOf(plan, position)
  // What they are stands in the plan; here it is only asked whether there is anything to tell.
  const when = isConditional(plan, position)
    ? (conditionsOf(plan, position).at(-1)?.text ?? 'true')
    : undefined
  const [retryDelaysMs, awayMs] = [retryDelaysOf(step), awayMsOf(step)]
  return { path, type, name, when, onFailure, takesHosts, retryDelaysMs, awayMs }
}

/** What scripts are given of host lists: the names of hosts as they are now. */
async function insertImports(
  tx: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  launch: Launch,
): Promise<void> {
  const { compilation, targets } = launch
  const imports = compilation.plan.steps.flatMap((step, position) =>
    importsOf(step).flatMap(({ name, take }) =>
      take ? [] : [{ position, name, key: listKey(name, step.within) }],
    ),
  )
  if (!imports.length) return
  const lists = Object.entries(targets.lists)
  await tx.query(
    `insert into step_input (scope_id, execution_id, step_execution_id, name, items)
     select $1, $2, s.id, i.name, array[convert_to(l.names, 'UTF8')]
     from unnest($3::int[], $4::text[], $5::text[]) as i (position, name, key)
     join unnest($6::text[], $7::text[]) as l (key, names) on l.key = i.key
     join step_execution s on s.scope_id = $1 and s.execution_id = $2 and s.position = i.position`,
    [
      scopeId,
      executionId,
      imports.map(({ position }) => position),
      imports.map(({ name }) => name),
      imports.map(({ key }) => key),
      lists.map(([key]) => key),
      lists.map(([, names]) => namesText(names)),
    ],
  )
}
