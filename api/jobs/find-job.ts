/** Finding the job and the plan that a path names, and checking steps before they are kept. */
import { PlatformError } from '../../domain/errors.js'
import type { JobDefinition, JobSteps } from '../../domain/job.schema.js'
import type { ScopeId } from '../../domain/id.js'
import { compilePlan } from '../../domain/plan.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import { auditOf } from '../../domain/step/step.js'
import { sortKeys } from '../../domain/sort-keys.js'
import type { Db } from '../../store/postgres/pool.js'
import { getPlan, type JobPlan, type PlanKey } from '../../store/postgres/job-plans.js'
import { getJob, type Job, type JobKey, lockJob } from '../../store/postgres/jobs.js'
import { holdNamedDbAccounts } from '../db-accounts/find-db-account.js'
import { holdNested, withNested } from '../executions/find-nested.js'
import { findNamed, holdNamed, sha256 } from '../executions/find-used.js'

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
  throw planUnknown(key)
}

export function planUnknown({ job, plan }: PlanKey): PlatformError {
  return new PlatformError('plan_unknown', `job ${job} has no plan ${plan}; see: drover jobs show ${job}`)
}

/** Hex, the same whatever the order of their fields. */
export function hashDefinition({ steps, variables }: JobDefinition): string {
  return sha256(JSON.stringify(sortKeys(variables.length ? { steps, variables } : steps)))
}

/** What is audited of steps: which texts, not the texts. */
export const auditSteps = (steps: JobSteps) => steps.flatMap((step) => auditOf(step, sha256))

export interface Checked {
  /** The plans that its steps bring, at any depth. */
  nested: string[]
  /** Makes sure, called last, that what they use is still there and stays until the steps are written. */
  hold: () => Promise<void>
}

/**
 * Refuses at once what a launch would refuse: sizes, names, scripts that do not run, values that do not fit, plans in a circle.
 * @throws PlatformError as compilePlan and findNamed
 */
export async function checkDefinition(tx: Db, scopeId: ScopeId, plan: PlanInput): Promise<Checked> {
  const found = await findNamed(tx, scopeId, plan)
  compilePlan({ ...plan, ofJob: plan.name }, { sha256, ...found })
  return {
    nested: [...found.nested.keys()].sort(),
    hold: async () => {
      await holdNested(tx, scopeId, found.nested)
      await holdNamedDbAccounts(tx, scopeId, withNested(plan, found.nested))
      await holdNamed(tx, scopeId, plan, found)
    },
  }
}
