/** GET /jobs/{job}/plans/{plan}: a plan with its steps. */
import { operation } from '../operation.js'
import { mustFindPlan } from './find-job.js'
import { definitionView, planParams, planSchema, planView } from './schema.js'

export const getPlan = operation({
  name: 'get-plan',
  method: 'get',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.read',
  summary: 'Show a plan',
  params: planParams,
  response: planSchema,
  errors: ['job_unknown', 'plan_unknown'],
  handler: async ({ services, scope, params }) =>
    planView(definitionView(await mustFindPlan(services.pool, { scopeId: scope.id, ...params }))),
})
