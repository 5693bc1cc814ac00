/** GET /jobs/{job}/plans. */
import { listPlans as readPlans } from '../../store/postgres/job-plans.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { mustFindJob } from './find-job.js'
import { jobParams, planSummarySchema, planView } from './schema.js'

export const listPlans = operation({
  name: 'list-plans',
  method: 'get',
  path: '/jobs/{job}/plans',
  policy: 'job.read',
  summary: 'List the plans of a job',
  params: jobParams,
  query: pageQuery,
  response: pageOf(planSummarySchema),
  errors: ['job_unknown', 'cursor_invalid'],
  async handler({ services, scope, params, query }) {
    const key = { scopeId: scope.id, job: params.job }
    const after = decodeCursor('plan', query.after, isNameCursor) ?? ''
    await mustFindJob(services.pool, key)
    const rows = await readPlans(services.pool, key, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, planView, (plan) => encodeCursor('plan', plan.name))
  },
})
