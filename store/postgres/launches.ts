/** Launching: everything that an execution is, written in one transaction. */
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { workflowIdOf } from '../../domain/execution.js'
import type { Compilation } from '../../domain/plan.js'
import {
  awayMsOf,
  type CompiledStep,
  hasHosts,
  hostStepOf,
  retryDelaysOf,
  undoesOf,
} from '../../domain/step/step.js'
import { type Execution, executionColumns } from './executions.js'
import { holdLaunch, launchesHeld } from './held-runs.js'
import { insertPlan } from './plans.js'
import { type Db, one } from './pool.js'
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
export async function insertLaunch(tx: Db, launch: Launch): Promise<Execution> {
  const { scopeId, compilation, hosts } = launch
  const { plan } = compilation
  const planHash = await insertPlan(tx, scopeId, compilation)
  const made = await tx.query<Execution & { isHeld: boolean }>(
    `with drawn as (select nextval(pg_get_serial_sequence('execution', 'id')) as id),
     e as (
       insert into execution (scope_id, id, name, state, plan_hash, workflow_id, trigger, launched_by, target, hosts, expires_at,
         expires_in_ms, output_day, next_seq)
       overriding system value
       select $1, id, $2, 'pending', $3, $4::text || id, $5, $6, $7, $8, now() + $9::bigint * interval '1 ms', $9::bigint,
         to_char(now() at time zone 'utc', 'YYYYMMDD'), 2
       from drawn returning *),
     first_event as (
       insert into event (scope_id, execution_id, seq, at, type, body)
       select $1, id, 1, clock_timestamp(), 'execution', jsonb_build_object('state', state, 'hosts', hosts) from e),
     steps as (
       insert into step_execution (scope_id, execution_id, path, position, name, state, type, hosts, retry_delays_ms, condition, on_failure,
         away_ms)
       select $1, e.id, (s.n - 1)::text, s.n - 1, s.step->>'name', 'pending', s.step->>'type',
         case when (s.step->>'hasHosts')::boolean then e.hosts else 0 end,
         array(select jsonb_array_elements_text(s.step->'retryDelaysMs')::bigint), s.step->>'when', s.step->>'onFailure',
         (s.step->>'awayMs')::bigint
       from e, jsonb_array_elements($10::jsonb) with ordinality as s (step, n) returning *),
     results as (
       insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position)
       select $1, s.execution_id, s.id, h.id, h.name, h.n - 1
       from steps s, unnest($11::bigint[], $12::text[]) with ordinality as h (id, name, n) where s.hosts > 0)
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
      hosts.length,
      launch.expiresInMs,
      JSON.stringify(plan.steps.filter((step) => undoesOf(step) === undefined).map(fieldsOf)),
      hosts.map((host) => host.id),
      hosts.map((host) => host.name),
    ],
  )
  const { isHeld, ...execution } = one(made)
  return isHeld ? holdLaunch(tx, execution) : execution
}

/** What is kept beside the compiled step, for it is asked at each look. */
export function fieldsOf(step: CompiledStep) {
  const { type, name, when } = step
  const onFailure = hostStepOf(step)?.onFailure ?? 'stop'
  return {
    type,
    name,
    when,
    onFailure,
    hasHosts: hasHosts[type],
    retryDelaysMs: retryDelaysOf(step),
    awayMs: awayMsOf(step),
  }
}
