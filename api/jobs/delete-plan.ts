/** DELETE /jobs/{job}/plans/{plan}. */
import { z } from 'zod'
import { removePlan } from '../../store/postgres/job-plans.js'
import { operation } from '../operation.js'
import { mustFindPlan, mustLockJob } from './find-job.js'
import { planParams } from './schema.js'

export const deletePlan = operation({
  name: 'delete-plan',
  method: 'delete',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.write',
  summary: 'Remove a plan',
  description: 'Runs of it keep what they run.',
  params: planParams,
  response: z.object({ job: z.string(), name: z.string() }).meta({ id: 'DeletedPlan' }),
  errors: ['job_unknown', 'plan_unknown'],
  audit: ({ params }) => ({ resource: `job/${params.job}/plan/${params.plan}`, detail: {} }),
  async write({ scope, params }, tx) {
    const key = { scopeId: scope.id, ...params }
    await mustLockJob(tx, key)
    await mustFindPlan(tx, key)
    await removePlan(tx, key)
    return { job: key.job, name: key.plan }
  },
})
