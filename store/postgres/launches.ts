/** Launching: everything that an execution is, written in one transaction. */
import type { ExecutionId, PrincipalId, ScopeId } from '../../domain/id.js'
import { workflowIdOf } from '../../domain/execution.js'
import type { Compilation } from '../../domain/plan.js'
import { type CompiledStep, hasHosts, hostStepOf, retryDelaysOf } from '../../domain/step/step.js'
import { appendEvents } from './events.js'
import { areLaunchesHeld, holdLaunch } from './held-runs.js'
import { insertPlan } from './plans.js'
import { type Db, one } from './pool.js'
import { insertScripts } from './scripts.js'
import type { TargetHost } from './targets.js'

export interface Launch {
  scopeId: ScopeId
  scopeName: string
  principalId: PrincipalId
  trigger: 'api' | 'schedule' | 'nested'
  compilation: Compilation
  target: string
  hosts: readonly TargetHost[]
  /** How long orders of this run may be carried out, ms. */
  expiresInMs: number
}

/**
 * Writes the execution, its steps and a row for each host of each step. Nothing runs until the workflow is started; after
 * the database was put back it is held until a person says that all is well: what a client asks for again may have run.
 */
export async function insertLaunch(
  tx: Db,
  launch: Launch,
): Promise<{ executionId: ExecutionId; workflowId: string }> {
  const { scopeId, compilation, hosts } = launch
  await insertScripts(tx, scopeId, compilation.scripts)
  const planHash = await insertPlan(tx, scopeId, compilation.plan)
  const drawn = await tx.query<{ id: ExecutionId }>(
    `select nextval(pg_get_serial_sequence('execution', 'id')) as id`,
  )
  const executionId = one(drawn).id
  const workflowId = workflowIdOf(launch.scopeName, executionId, 0)
  await tx.query(
    `insert into execution (scope_id, id, name, state, plan_hash, workflow_id, trigger, launched_by, target, hosts, expires_at,
       expires_in_ms, output_day)
     overriding system value
     values ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, now() + $10::bigint * interval '1 ms', $10::bigint, to_char(now() at time zone 'utc', 'YYYYMMDD'))`,
    [
      scopeId,
      executionId,
      compilation.plan.name,
      planHash,
      workflowId,
      launch.trigger,
      launch.principalId,
      launch.target,
      hosts.length,
      launch.expiresInMs,
    ],
  )
  await insertSteps(tx, scopeId, executionId, launch)
  await appendEvents(tx, scopeId, executionId, [
    { type: 'execution', body: { state: 'pending', hosts: hosts.length } },
  ])
  if (await areLaunchesHeld(tx, scopeId)) await holdLaunch(tx, { scopeId, executionId })
  return { executionId, workflowId }
}

/** What is kept beside the compiled step, for it is asked at each look. */
function fieldsOf(step: CompiledStep) {
  const { type, name, when } = step
  const onFailure = hostStepOf(step)?.onFailure ?? 'stop'
  return { type, name, when, onFailure, hasHosts: hasHosts[type], retryDelaysMs: retryDelaysOf(step) }
}

async function insertSteps(
  tx: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  launch: Launch,
): Promise<void> {
  const { steps } = launch.compilation.plan
  await tx.query(
    `insert into step_execution (scope_id, execution_id, path, position, name, state, type, hosts, retry_delays_ms, condition, on_failure)
     select $1, $2, (s.n - 1)::text, s.n - 1, s.step->>'name', 'pending', s.step->>'type',
       case when (s.step->>'hasHosts')::boolean then $4 else 0 end,
       array(select jsonb_array_elements_text(s.step->'retryDelaysMs')::bigint), s.step->>'when', s.step->>'onFailure'
     from jsonb_array_elements($3::jsonb) with ordinality as s (step, n)`,
    [scopeId, executionId, JSON.stringify(steps.map(fieldsOf)), launch.hosts.length],
  )
  await tx.query(
    `insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position)
     select $1, $2, s.id, h.id, h.name, h.n - 1
     from step_execution s, unnest($3::bigint[], $4::text[]) with ordinality as h (id, name, n)
     where s.scope_id = $1 and s.execution_id = $2 and s.hosts > 0`,
    [scopeId, executionId, launch.hosts.map((host) => host.id), launch.hosts.map((host) => host.name)],
  )
}
