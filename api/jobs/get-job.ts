/** GET /jobs/{job}: a job with its steps. */
import { operation } from '../operation.js'
import { mustFindJob } from './find-job.js'
import { definitionView, jobParams, jobSchema, jobView } from './schema.js'

export const getJob = operation({
  name: 'get-job',
  method: 'get',
  path: '/jobs/{job}',
  policy: 'job.read',
  summary: 'Show a job',
  params: jobParams,
  response: jobSchema,
  errors: ['job_unknown'],
  handler: async ({ services, scope, params }) =>
    jobView(definitionView(await mustFindJob(services.pool, { scopeId: scope.id, job: params.job }))),
})
