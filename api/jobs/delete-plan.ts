/** DELETE /jobs/{job}/plans/{plan}. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { type PlanKey, removePlan } from '../../store/postgres/job-plans.js'
import { listPlanCitations, lockPlan } from '../../store/postgres/plan-revisions.js'
import type { Db } from '../../store/postgres/pool.js'
import { operation } from '../operation.js'
import { mustFindPlan, mustLockJob } from './find-job.js'
import { planParams } from './schema.js'

export const deletePlan = operation({
  name: 'delete-plan',
  method: 'delete',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.write',
  summary: 'Remove a plan',
  description: 'Refused while a step of another job or plan brings it. Runs of it keep what they run.',
  params: planParams,
  response: z.object({ job: z.string(), name: z.string() }).meta({ id: 'DeletedPlan' }),
  errors: ['job_unknown', 'plan_unknown', 'plan_in_use'],
  audit: ({ params }) => ({ resource: `job/${params.job}/plan/${params.plan}`, detail: {} }),
  async write({ scope, params }, tx) {
    const key = { scopeId: scope.id, ...params }
    await mustLockJob(tx, key)
    await mustFindPlan(tx, key)
    await lockPlan(tx, key)
    await checkUnused(tx, key)
    await removePlan(tx, key)
    return { job: key.job, name: key.plan }
  },
})

const MOST_TOLD = 20

/** @throws PlatformError plan_in_use */
async function checkUnused(tx: Db, key: PlanKey): Promise<void> {
  const citations = await listPlanCitations(tx, key, MOST_TOLD)
  const [first] = citations
  if (!first) return
  const where = first.plan === null ? `job ${first.job}` : `plan ${first.job}/${first.plan}`
  throw new PlatformError(
    'plan_in_use',
    `${key.job}/${key.plan} is a step of ${where}, "${first.step}"; see: drover jobs uses ${key.job}/${key.plan}`,
    { details: { citations } },
  )
}
