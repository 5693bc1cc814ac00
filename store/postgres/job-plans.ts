/** Plans of jobs: which steps, as the job had them when the plan was made or synced. */
import type { JobDefinition } from '../../domain/job.schema.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { VersionState } from '../../domain/script-library.js'
import type { Values } from '../../domain/variable.schema.js'
import type { JobKey } from './jobs.js'
import { type ChangedNested, changedNested } from './plan-revisions.js'
import { type Db, one } from './pool.js'
import type { ScriptKey } from './script-library.js'

/** Without the texts of its steps. */
export interface PlanSummary {
  job: string
  name: string
  description: string
  chosen: string[] | null
  /** Its own, of variables; those that it does not name have the job's as they were frozen. */
  values: Values
  /** Names of its variables that are secrets. */
  secretVariables: string[]
  /** Whether the job has others by now. */
  needsSync: boolean
  /** Plans that its steps bring, and that have changed since. */
  changedPlans: ChangedNested[]
  revision: number
  createdBy: string
  createdAt: Date
  updatedBy: string
  updatedAt: Date
}

/** The job's steps, all of them, and its variables, as they were. */
export interface JobPlan extends PlanSummary, JobDefinition {}

export interface PlanKey extends JobKey {
  plan: string
}

const columns = `p.job_name as job, p.name, p.description, p.chosen, p.own_values as values,
  array(select v->>'name' from jsonb_array_elements(p.variables) as v where v->>'type' = 'secret') as "secretVariables", p.sha256 <> j.sha256 as "needsSync", ${changedNested('p')} as "changedPlans", p.revision,
  c.name as "createdBy", p.created_at as "createdAt", u.name as "updatedBy", p.updated_at as "updatedAt"`
const source = `job_plan p join job j on j.scope_id = p.scope_id and j.name = p.job_name
  join principal c on c.id = p.created_by join principal u on u.id = p.updated_by`

/** Plans of a job by name, after a cursor. */
export async function listPlans(
  db: Db,
  { scopeId, job }: JobKey,
  page: { after: string; limit: number },
): Promise<PlanSummary[]> {
  const result = await db.query<PlanSummary>(
    `select ${columns} from ${source} where p.scope_id = $1 and p.job_name = $2 and p.name > $3 order by p.name limit $4`,
    [scopeId, job, page.after, page.limit],
  )
  return result.rows
}

/** Plans of a job that do not have its steps of now, by name. @param names only these, if any are given */
export async function listOutdated(
  db: Db,
  { scopeId, job }: JobKey,
  names: readonly string[] | undefined,
  limit: number,
): Promise<PlanSummary[]> {
  const result = await db.query<PlanSummary>(
    `select ${columns} from ${source}
     where p.scope_id = $1 and p.job_name = $2 and p.sha256 <> j.sha256 and ($3::text[] is null or p.name = any($3))
     order by p.name limit $4`,
    [scopeId, job, names ?? null, limit],
  )
  return result.rows
}

/** Which of these plans the job has. */
export async function listPlanNames(
  db: Db,
  { scopeId, job }: JobKey,
  names: readonly string[],
): Promise<string[]> {
  const result = await db.query<{ name: string }>(
    'select name from job_plan where scope_id = $1 and job_name = $2 and name = any($3)',
    [scopeId, job, names],
  )
  return result.rows.map((row) => row.name)
}

export async function getPlan(db: Db, { scopeId, job, plan }: PlanKey): Promise<JobPlan | undefined> {
  const result = await db.query<JobPlan>(
    `select ${columns}, p.steps, p.variables from ${source} where p.scope_id = $1 and p.job_name = $2 and p.name = $3`,
    [scopeId, job, plan],
  )
  return result.rows[0]
}

export interface PlanContent {
  description: string
  chosen: readonly string[] | null
  values: Values
  /** Names of secrets that the values name. */
  ownSecrets: readonly string[]
  by: PrincipalId
}

/** Makes a plan of the job's steps of now, under the job's lock. */
export async function insertPlan(
  tx: Db,
  { scopeId, job, plan }: PlanKey,
  content: PlanContent,
): Promise<void> {
  await tx.query(
    `insert into job_plan (scope_id, job_name, name, description, chosen, own_values, own_secrets, steps, variables, scripts, secrets, nested, sha256,
       created_by, updated_by, revision)
     select j.scope_id, j.name, $3, $4, $5, $6, $8, j.steps, j.variables, j.scripts, j.secrets, j.nested, j.sha256, $7, $7,
       1 + coalesce((select max(revision) from job_plan_revision r where r.scope_id = $1 and r.job_name = $2 and r.plan_name = $3), 0)
     from job j
     where j.scope_id = $1 and j.name = $2`,
    [...paramsOf({ scopeId, job, plan }, content), content.ownSecrets],
  )
}

const paramsOf = ({ scopeId, job, plan }: PlanKey, content: PlanContent) => [
  scopeId,
  job,
  plan,
  content.description,
  content.chosen,
  JSON.stringify(content.values),
  content.by,
]

/** Changes what a plan chooses, under the job's lock; its steps stay as they are. */
export async function updatePlan(
  tx: Db,
  { scopeId, job, plan }: PlanKey,
  content: PlanContent,
): Promise<void> {
  await tx.query(
    `update job_plan set description = $4, chosen = $5, own_values = $6, own_secrets = $8, updated_by = $7, updated_at = now(), revision = revision + 1
     where scope_id = $1 and job_name = $2 and name = $3`,
    [...paramsOf({ scopeId, job, plan }, content), content.ownSecrets],
  )
}

/** Gives a plan the job's steps of now, under the job's lock. */
export async function syncPlan(
  tx: Db,
  { scopeId, job, plan }: PlanKey,
  synced: Omit<PlanContent, 'description'>,
): Promise<void> {
  await tx.query(
    `update job_plan p set steps = j.steps, variables = j.variables, scripts = j.scripts, secrets = j.secrets, nested = j.nested, sha256 = j.sha256,
       chosen = $4, own_values = $5, own_secrets = $7,
       updated_by = $6, updated_at = now(), revision = p.revision + 1
     from job j where p.scope_id = $1 and p.job_name = $2 and p.name = $3 and j.scope_id = p.scope_id and j.name = p.job_name`,
    [scopeId, job, plan, synced.chosen, JSON.stringify(synced.values), synced.by, synced.ownSecrets],
  )
}

export async function removePlan(tx: Db, { scopeId, job, plan }: PlanKey): Promise<void> {
  await tx.query('delete from job_plan where scope_id = $1 and job_name = $2 and name = $3', [
    scopeId,
    job,
    plan,
  ])
}

/** What uses a script: steps of jobs, and of plans as they were frozen. */
export interface Citation {
  job: string
  /** Null for the job itself. */
  plan: string | null
  step: string
  /** As the step says it: `deploy`, `deploy@3`. */
  uses: string
  /** The version that it means now, and its state; null if there is none. */
  version: number | null
  state: VersionState | null
}

interface Cited {
  /** Whose jobs and plans. */
  scopeId: ScopeId
  /** As steps name it: `deploy`, `public/deploy`. */
  script: string
  /** Only where this one is named. */
  version?: number | undefined
}

/** A step's own script, and that of what takes it back. */
const usesOfStep = `lateral (values (s->>'uses'), (s->'undo'->>'uses')) as u (uses)`

/** In the order of their names; a plan holds the steps that it does not choose, too. @param key where the script is */
export async function listCitations(
  db: Db,
  of: Cited & { key: ScriptKey },
  limit: number,
): Promise<Citation[]> {
  const result = await db.query<Citation>(
    `select c.job, c.plan, c.step, c.uses, v.version, v.state from (
       select d.job, d.plan, s->>'name' as step, u.uses, n
       from job_definition d, jsonb_array_elements(d.steps) with ordinality as e (s, n), ${usesOfStep} where d.scope_id = $1 and $2 = any(d.scripts)) as c
     left join script_version v on v.scope_id = $5 and v.script_name = $6
       and case when c.uses = $2 then v.state = 'online' else v.version::text = split_part(c.uses, '@', 2) end
     where split_part(c.uses, '@', 1) = $2 and ($4::int is null or c.uses = $2 || '@' || $4)
     order by c.job, c.plan nulls first, c.n limit $3`,
    [of.scopeId, of.script, limit, of.version ?? null, of.key.scopeId, of.key.name],
  )
  return result.rows
}

/** How many steps of jobs and plans of all other scopes use it. */
export async function countCitationsElsewhere(db: Db, of: Cited): Promise<number> {
  const result = await db.query<{ steps: number }>(
    `select count(*)::int as steps from (
       select u.uses from job_definition d, jsonb_array_elements(d.steps) as s, ${usesOfStep} where d.scope_id <> $1 and $2 = any(d.scripts)) as c
     where split_part(c.uses, '@', 1) = $2 and ($3::int is null or c.uses = $2 || '@' || $3)`,
    [of.scopeId, of.script, of.version ?? null],
  )
  return one(result).steps
}

/** Jobs that use a script, in the order of their names. */
export async function listCitingJobs(
  db: Db,
  { scopeId, script }: { scopeId: ScopeId; script: string },
): Promise<string[]> {
  const result = await db.query<{ name: string }>(
    'select name from job where scope_id = $1 and $2 = any(scripts) order by name',
    [scopeId, script],
  )
  return result.rows.map((row) => row.name)
}
