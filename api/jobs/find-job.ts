/** Finding the job and the plan that a path names, and checking steps before they are kept. */
import { createHash } from 'node:crypto'
import { PlatformError } from '../../domain/errors.js'
import type { JobSteps } from '../../domain/job.schema.js'
import type { ScopeId } from '../../domain/id.js'
import { compilePlan } from '../../domain/plan.js'
import { sortKeys } from '../../domain/sort-keys.js'
import type { Db } from '../../store/postgres/pool.js'
import { getPlan, type JobPlan, type PlanKey } from '../../store/postgres/job-plans.js'
import { getJob, type Job, type JobKey, lockJob } from '../../store/postgres/jobs.js'
import { findUsed } from '../executions/find-used.js'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** @throws PlatformError job_unknown */
export async function mustFindJob(db: Db, key: JobKey): Promise<Job> {
  return known(await getJob(db, key), key)
}

/** The same, held with its plans until the transaction ends. @throws PlatformError job_unknown */
export async function mustLockJob(tx: Db, key: JobKey): Promise<Job> {
  return known(await lockJob(tx, key), key)
}

function known(job: Job | undefined, key: JobKey): Job {
  if (job) return job
  throw new PlatformError('job_unknown', `there is no job ${key.job}; see: drover jobs ls`)
}

/** @throws PlatformError job_unknown, plan_unknown */
export async function mustFindPlan(db: Db, key: PlanKey): Promise<JobPlan> {
  const plan = await getPlan(db, key)
  if (plan) return plan
  await mustFindJob(db, key)
  throw new PlatformError(
    'plan_unknown',
    `job ${key.job} has no plan ${key.plan}; see: drover jobs show ${key.job}`,
  )
}

/**
 * Refuses at once what a launch would refuse: sizes, names, scripts that do not run.
 * @returns the hash of the steps, hex
 * @throws PlatformError as compilePlan and findUsed
 */
export async function checkSteps(tx: Db, scopeId: ScopeId, name: string, steps: JobSteps): Promise<string> {
  compilePlan({ name, steps }, sha256, await findUsed(tx, scopeId, { name, steps }))
  return sha256(JSON.stringify(sortKeys(steps)))
}

export const stepErrors = [
  'script_unknown',
  'script_version_unknown',
  'script_version_refused',
  'script_too_large',
  'plan_invalid',
  'plan_too_large',
] as const
