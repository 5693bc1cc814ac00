/** Jobs: what people author, one row each. */
import type { JobDefinition } from '../../domain/job.schema.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { parseSecretUse } from '../../domain/secret.js'
import { citedByVariables } from '../../domain/secret-variable.js'
import { secretsOf, usesOf } from '../../domain/step/step.js'
import { parseUse } from '../../domain/script-library.js'
import { usesGiven } from '../../domain/visit-secrets.js'
import { type ChangedNested, changedNested } from './plan-revisions.js'
import type { Db } from './pool.js'

/** Without the texts, which may be megabytes. */
export interface JobSummary {
  name: string
  description: string
  tags: string[]
  /** Names of the steps, in order. */
  stepNames: string[]
  revision: number
  /** How many plans it has, and how many of them need a sync. */
  plans: number
  outdated: number
  /** Plans that its steps bring, and that have changed since. */
  changedPlans: ChangedNested[]
  createdBy: string
  createdAt: Date
  updatedBy: string
  updatedAt: Date
}

export interface Job extends JobSummary, JobDefinition {}

export interface JobKey {
  scopeId: ScopeId
  job: string
}

export interface JobContent extends JobDefinition {
  description: string
  tags: readonly string[]
  sha256: string
  /** Plans that its steps bring, at any depth, as `deploy-site/quick@3`; left out: as they were. */
  nested?: readonly string[]
  by: PrincipalId
}

const columns = `j.name, j.description, j.tags, j.step_names as "stepNames", j.revision,
  (select count(*)::int from job_plan p where p.scope_id = j.scope_id and p.job_name = j.name) as plans,
  (select count(*)::int from job_plan p where p.scope_id = j.scope_id and p.job_name = j.name and p.sha256 <> j.sha256) as outdated, ${changedNested('j')} as "changedPlans",
  c.name as "createdBy", j.created_at as "createdAt", u.name as "updatedBy", j.updated_at as "updatedAt"`
const source = 'job j join principal c on c.id = j.created_by join principal u on u.id = j.updated_by'

/** As both statements that write a job have them, behind its key. */
const written = ({ description, tags, steps, variables, sha256, by }: JobContent) => [
  description,
  tags,
  JSON.stringify(steps),
  JSON.stringify(variables),
  sha256,
  by,
]

/** False if the name is taken. */
export async function insertJob(tx: Db, { scopeId, job }: JobKey, content: JobContent): Promise<boolean> {
  const { nested = [] } = content
  const result = await tx.query(
    `insert into job (scope_id, name, description, tags, steps, variables, sha256, created_by, updated_by, nested, step_names, scripts, secrets)
     values ($1, $2, $3, $4, $5, $6, decode($7, 'hex'), $8, $8, $9, $10, $11, $12) on conflict do nothing`,
    [scopeId, job, ...written(content), nested, ...citedBy(content)],
  )
  return result.rowCount === 1
}

/** Jobs by name, after a cursor. */
export async function listJobs(
  db: Db,
  scopeId: ScopeId,
  filter: { name?: string | undefined; tag?: string | undefined },
  page: { after: string; limit: number },
): Promise<JobSummary[]> {
  const result = await db.query<JobSummary>(
    `select ${columns} from ${source}
     where j.scope_id = $1 and j.name > $2 and ($4::text is null or position(lower($4) in lower(j.name)) > 0)
       and ($5::text is null or $5 = any(j.tags))
     order by j.name limit $3`,
    [scopeId, page.after, page.limit, filter.name ?? null, filter.tag ?? null],
  )
  return result.rows
}

export async function getJob(db: Db, { scopeId, job }: JobKey): Promise<Job | undefined> {
  const result = await db.query<Job>(
    `select ${columns}, j.steps, j.variables from ${source} where j.scope_id = $1 and j.name = $2`,
    [scopeId, job],
  )
  return result.rows[0]
}

/** The same, and nobody else changes the job or its plans before the transaction ends. */
export async function lockJob(tx: Db, key: JobKey): Promise<Job | undefined> {
  await tx.query('select from job where scope_id = $1 and name = $2 for no key update', [
    key.scopeId,
    key.job,
  ])
  return getJob(tx, key)
}

/** Under the job's lock. */
export async function updateJob(tx: Db, { scopeId, job }: JobKey, content: JobContent): Promise<void> {
  const { nested } = content
  await tx.query(
    `update job set description = $3, tags = $4, steps = $5, variables = $6, sha256 = decode($7, 'hex'), updated_by = $8,
       updated_at = now(), revision = revision + 1, nested = coalesce($9, nested), step_names = $10, scripts = $11, secrets = $12
     where scope_id = $1 and name = $2`,
    [scopeId, job, ...written(content), nested ?? null, ...citedBy(content)],
  )
}

/** Names of steps, the scripts of the library that they use, and the secrets that they and the variables name, whatever version. */
function citedBy({
  steps,
  variables,
}: JobDefinition): [names: string[], scripts: string[], secrets: string[]] {
  const scripts = steps.flatMap(usesOf).flatMap((use) => parseUse(use)?.name ?? [])
  const uses = steps.flatMap((step) => [...secretsOf(step), ...usesGiven(step)])
  const secrets = uses.flatMap((use) => parseSecretUse(use)?.name ?? [])
  const cited = [...secrets, ...citedByVariables(variables)]
  return [steps.map((step) => step.name), [...new Set(scripts)], [...new Set(cited)]]
}

/** It must have no plans. */
export async function removeJob(tx: Db, { scopeId, job }: JobKey): Promise<void> {
  await tx.query('delete from job where scope_id = $1 and name = $2', [scopeId, job])
}
