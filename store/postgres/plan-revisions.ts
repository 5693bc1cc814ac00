/** Revisions of plans as they were kept, for the steps that name them; and which plans bring which. */
import type { JobDefinition } from '../../domain/job.schema.js'
import type { ScopeId } from '../../domain/id.js'
import type { PlanUse } from '../../domain/plan-use.js'
import type { Values } from '../../domain/variable.schema.js'
import type { PlanKey } from './job-plans.js'
import type { Db } from './pool.js'

/** A plan at a revision: all steps of its job, and what it chose of them. */
export interface PlanRevision extends JobDefinition {
  chosen: string[] | null
  values: Values
}

/** Keeps what a plan is now under its revision: last in each change of it. */
export async function keepRevision(tx: Db, { scopeId, job, plan }: PlanKey): Promise<void> {
  await tx.query(
    `insert into job_plan_revision (scope_id, job_name, plan_name, revision, chosen, steps, variables, own_values, scripts, secrets, nested, sha256)
     select scope_id, job_name, name, revision, chosen, steps, variables, own_values, scripts, secrets || own_secrets, nested, sha256 from job_plan
     where scope_id = $1 and job_name = $2 and name = $3
     on conflict do nothing`,
    [scopeId, job, plan],
  )
}

/** Undefined where there is no such plan any more; null where it has no such revision. */
export async function getRevision(
  db: Db,
  scopeId: ScopeId,
  { job, plan, revision }: PlanUse,
): Promise<PlanRevision | null | undefined> {
  const result = await db.query<PlanRevision & { found: boolean }>(
    `select r.revision is not null as found, r.chosen, r.steps, r.variables, r.own_values as values
     from job_plan p left join job_plan_revision r
       on r.scope_id = p.scope_id and r.job_name = p.job_name and r.plan_name = p.name and r.revision = $4
     where p.scope_id = $1 and p.job_name = $2 and p.name = $3`,
    [scopeId, job, plan, revision],
  )
  const [row] = result.rows
  if (!row) return undefined
  const { found, ...kept } = row
  return found ? kept : null
}

/** Makes sure that plans stay until the transaction ends. @returns those that are there, as `job/plan` */
export async function holdPlans(tx: Db, scopeId: ScopeId, plans: readonly string[]): Promise<string[]> {
  const result = await tx.query<{ name: string }>(
    `select job_name || '/' || name as name from job_plan
     where scope_id = $1 and job_name || '/' || name = any($2) order by job_name, name for key share`,
    [scopeId, plans],
  )
  return result.rows.map((row) => row.name)
}

/** Holds a plan that is to be removed: whoever is about to bring it has done so, or finds it gone. */
export async function lockPlan(tx: Db, { scopeId, job, plan }: PlanKey): Promise<void> {
  await tx.query('select from job_plan where scope_id = $1 and job_name = $2 and name = $3 for update', [
    scopeId,
    job,
    plan,
  ])
}

/** A step that is a plan. */
export interface PlanCitation {
  job: string
  /** Null for the job itself; `quick@3` for a revision that is not the latest, and that another one brings. */
  plan: string | null
  step: string
  /** As the step says it. */
  uses: string
}

/** Which steps bring a plan, in the order of the jobs' names. */
export async function listPlanCitations(
  db: Db,
  { scopeId, job, plan }: PlanKey,
  limit: number,
): Promise<PlanCitation[]> {
  const result = await db.query<PlanCitation>(
    `select d.job, d.plan, s->>'name' as step, s->>'plan' as uses
     from job_definition d, jsonb_array_elements(d.steps) with ordinality as e (s, n)
     where d.scope_id = $1 and exists (select from unnest(d.nested) as u (text) where split_part(u.text, '@', 1) = $2)
       and s->>'type' = 'plan' and split_part(s->>'plan', '@', 1) = $2
     order by d.job, d.plan nulls first, e.n limit $3`,
    [scopeId, `${job}/${plan}`, limit],
  )
  return result.rows
}

/**
 * SQL: those plans that a job or a plan brings, at any depth, and that run something else by now.
 * @param of alias of the table
 */
export const changedNested = (of: string) => `coalesce((
  select jsonb_agg(jsonb_build_object('plan', u.text, 'newest', c.revision) order by u.text)
  from unnest(${of}.nested) as u (text)
  join job_plan_revision r on r.scope_id = ${of}.scope_id and r.job_name = split_part(u.text, '/', 1)
    and r.plan_name || '@' || r.revision = split_part(u.text, '/', 2)
  join job_plan c on c.scope_id = r.scope_id and c.job_name = r.job_name and c.name = r.plan_name
  where (r.sha256, r.chosen, r.own_values) is distinct from (c.sha256, c.chosen, c.own_values)), '[]')`

/** A plan that is brought at a revision, and has changed since. */
export interface ChangedNested {
  plan: string
  /** Its revision now. */
  newest: number
}
