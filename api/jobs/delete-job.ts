/** DELETE /jobs/{job}: one that has no plans. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { removeJob } from '../../store/postgres/jobs.js'
import { operation } from '../operation.js'
import { mustLockJob } from './find-job.js'
import { jobParams } from './schema.js'

export const deleteJob = operation({
  name: 'delete-job',
  method: 'delete',
  path: '/jobs/{job}',
  policy: 'job.write',
  summary: 'Remove a job that has no plans',
  params: jobParams,
  response: z.object({ name: z.string() }).meta({ id: 'DeletedJob' }),
  errors: ['job_unknown', 'job_in_use'],
  audit: ({ params }) => ({ resource: `job/${params.job}`, detail: {} }),
  async write({ scope, params }, tx) {
    const key = { scopeId: scope.id, job: params.job }
    const { plans } = await mustLockJob(tx, key)
    if (plans) {
      const many = plans === 1 ? 'a plan' : `${plans} plans`
      throw new PlatformError('job_in_use', `job ${key.job} has ${many}: remove them first`)
    }
    await removeJob(tx, key)
    return { name: key.job }
  },
})
