/** Undo: which hosts a run took effect on, and the rows by which it is taken back. The execution must be locked. */
import { isUndoing, NOTHING_TO_UNDO, RUN_UNDONE, UNDO_LEFT_OUT, type UndoTally } from '../../domain/undo.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { undoesOf } from '../../domain/step/step.js'
import { giveLeftOut } from './attempts.js'
import { appendEvents } from './events.js'
import { overrideStepState, type StepExecution } from './executions.js'
import { fieldsOf } from './launches.js'
import { skipStep } from './operate.js'
import { type Db, one } from './pool.js'
import { stopGivenUp } from './stops.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/**
 * Hosts of the steps at positions $3 on which these took effect, or are under way, or nobody knows whether they took effect, by any of
 * their attempts; but those that the undo was given already.
 */
export const effects = `select * from (
  select s.position as step, r.host_id, r.host_name, r.position, case
    when r.state = 'unknown' or former.maybe then 'maybe' when r.started = 'yes' or former.yes or r.state in ('dispatched', 'running') then 'yes' end as effect,
    greatest(case when r.state = 'unknown' then r.ended_at end, former.since) as since
  from step_execution s
  join host_result r on r.scope_id = s.scope_id and r.execution_id = s.execution_id and r.step_execution_id = s.id
  left join lateral (select bool_or(a.started = 'yes') as yes, bool_or(a.started = 'maybe') as maybe,
      max(a.ended_at) filter (where a.started = 'maybe') as since from host_attempt a
    where a.scope_id = r.scope_id and a.execution_id = r.execution_id and a.step_execution_id = r.step_execution_id
      and a.host_id = r.host_id) former on r.attempt > 1
  where s.scope_id = $1 and s.execution_id = $2 and s.position = any($3) and s.undoes is null
    and not exists (select from step_execution u join host_result g
      on g.scope_id = u.scope_id and g.execution_id = u.execution_id and g.step_execution_id = u.id
      where u.scope_id = s.scope_id and u.execution_id = s.execution_id and u.undoes = s.position and g.host_id = r.host_id
        and not (g.state = 'skipped' and g.reason = '${UNDO_LEFT_OUT}'))) told
  where effect is not null`

/** Positions of the steps that say how they are undone. */
export const undone = (plan: CompiledPlan): number[] => plan.steps.flatMap((step) => undoesOf(step) ?? [])

/** What an undo would begin with now. @param askedAt when it was asked for, if that was a while ago */
export async function tallyUndo(db: Db, key: Key, plan: CompiledPlan, askedAt?: Date): Promise<UndoTally> {
  const steps = undone(plan)
  const result = await db.query<Required<Pick<UndoTally, 'effects' | 'unknown' | 'unknownSince'>>>(
    `with effects as (${effects}),
       doubtful as (select host_id, min(host_name) as name, min(position) as position, max(since) as since
         from effects where effect = 'maybe' group by host_id)
     select (select count(*)::int from effects where host_id not in (select host_id from doubtful)) as effects,
       array(select name from doubtful order by position) as unknown,
       (select count(*)::int from doubtful where since > $4) as "unknownSince"`,
    [key.scopeId, key.executionId, steps, askedAt ?? null],
  )
  const { unknownSince, ...tally } = one(result)
  return { steps: steps.length, ...tally, ...(askedAt ? { unknownSince } : {}) }
}

/**
 * Takes a run back from now on: its undo's steps get their rows where they have none, and the hosts that they are for. What the
 * run had not begun is skipped for good.
 * @param includeUnknown whether hosts of which nobody knows what they did are undone; left out of all steps otherwise
 */
export async function beginUndo(
  tx: Db,
  key: Key,
  of: { plan: CompiledPlan; steps: readonly StepExecution[]; includeUnknown: boolean },
): Promise<void> {
  const { plan, steps, includeUnknown } = of
  for (const step of steps)
    if (step.state === 'pending' && step.undoes === null)
      await skipStep(tx, key, step, { state: 'skipped', reason: RUN_UNDONE })
  await insertUndoSteps(tx, key, plan)
  if (!isUndoing(steps)) await tellWhatStays(tx, key, { plan, steps })
  await stopGivenUp(tx, key, { undo: false })
  for (const stepExecutionId of await giveHosts(tx, key, { positions: undone(plan), includeUnknown }))
    await overrideStepState(tx, { ...key, stepExecutionId }, 'pending')
  await endEmptySteps(tx, key)
}

async function insertUndoSteps(tx: Db, key: Key, plan: CompiledPlan): Promise<void> {
  const steps = plan.steps.flatMap((step, position) => {
    const undoes = undoesOf(step)
    return undoes === undefined ? [] : [{ ...fieldsOf(plan, position), position, undoes }]
  })
  await tx.query(
    `insert into step_execution (id, scope_id, execution_id, path, position, name, state, type, hosts, retry_delays_ms, on_failure, undoes)
     overriding system value
     select e.undo_step_ids[s.n], $1, $2, 'u' || s.undoes, s.position, s.name, 'pending', s.type, 0,
       array(select jsonb_array_elements_text(s."retryDelaysMs")::bigint), s."onFailure", s.undoes
     from execution e,
       rows from (jsonb_to_recordset($3::jsonb) as (position int, undoes int, name text, type text, "retryDelaysMs" jsonb, "onFailure" text))
         with ordinality as s (position, undoes, name, type, "retryDelaysMs", "onFailure", n)
     where e.scope_id = $1 and e.id = $2
     on conflict (scope_id, execution_id, path) do nothing`,
    [key.scopeId, key.executionId, JSON.stringify(steps)],
  )
}

/** Steps that took effect and say nothing of how they are undone. */
export const withoutUndo = (plan: CompiledPlan, steps: readonly StepExecution[]): StepExecution[] =>
  steps.filter(
    (step) =>
      step.undoes === null &&
      step.startedAt !== null &&
      step.hosts > 0 &&
      !undone(plan).includes(step.position),
  )

async function tellWhatStays(
  tx: Db,
  key: Key,
  { plan, steps }: { plan: CompiledPlan; steps: readonly StepExecution[] },
): Promise<void> {
  const notes = withoutUndo(plan, steps).map(({ position }) => ({
    type: 'note' as const,
    body: {
      position,
      text: `step ${position + 1} says nothing of how it is undone: what it did stays`,
    },
  }))
  await appendEvents(tx, key.scopeId, key.executionId, notes)
}

/** @returns the steps of the undo that got hosts which are to run */
async function giveHosts(
  tx: Db,
  key: Key,
  { positions, includeUnknown }: { positions: number[]; includeUnknown: boolean },
): Promise<StepExecutionId[]> {
  const given = await tx.query<{ id: StepExecutionId; leftOutBefore: HostId[] | null }>(
    `with effects as (${effects}), doubtful as (select host_id from effects where effect = 'maybe'),
       given as (
         select u.id, e.host_id, e.host_name, e.position, not $4 and e.host_id in (select host_id from doubtful) as left_out
         from effects e join step_execution u on u.scope_id = $1 and u.execution_id = $2 and u.undoes = e.step),
       made as (
         insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position, state, reason, ended_at)
         select $1, $2, id, host_id, host_name, position, case when left_out then 'skipped' else 'pending' end,
           case when left_out then '${UNDO_LEFT_OUT}' end, case when left_out then now() end from given
         on conflict (scope_id, execution_id, step_execution_id, host_id) do nothing returning step_execution_id, host_id)
     select g.id, array_agg(g.host_id::text) filter (where m.host_id is null) as "leftOutBefore"
     from given g left join made m on m.step_execution_id = g.id and m.host_id = g.host_id where not g.left_out group by g.id`,
    [key.scopeId, key.executionId, positions, includeUnknown],
  )
  await tx.query(
    `update step_execution u set hosts = (select count(*) from host_result r
       where r.scope_id = u.scope_id and r.execution_id = u.execution_id and r.step_execution_id = u.id)
     where u.scope_id = $1 and u.execution_id = $2 and u.undoes is not null`,
    [key.scopeId, key.executionId],
  )
  for (const { id, leftOutBefore } of given.rows)
    if (leftOutBefore) await giveLeftOut(tx, key, { id }, leftOutBefore)
  return given.rows.map(({ id }) => id)
}

async function endEmptySteps(tx: Db, key: Key): Promise<void> {
  const empty = await tx.query<{ id: StepExecutionId }>(
    `select id from step_execution where scope_id = $1 and execution_id = $2 and undoes is not null and hosts = 0 and state = 'pending'`,
    [key.scopeId, key.executionId],
  )
  for (const { id } of empty.rows)
    await overrideStepState(tx, { ...key, stepExecutionId: id }, 'skipped', NOTHING_TO_UNDO)
}
