/** GET /jobs/{job}/plans/{plan}: a plan with its steps, now or at a revision. */
import { z } from 'zod'
import { getRevision } from '../../store/postgres/plan-revisions.js'
import { revisionUnknown } from '../executions/find-nested.js'
import { operation } from '../operation.js'
import { queryInteger } from '../paging.js'
import { mustFindPlan } from './find-job.js'
import { definitionView, planAt, planParams, planSchema, planView } from './schema.js'

export const getPlan = operation({
  name: 'get-plan',
  method: 'get',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.read',
  summary: 'Show a plan',
  params: planParams,
  query: z.strictObject({
    revision: queryInteger(1, 999_999_999)
      .optional()
      .describe('What it chose and ran at this revision, which steps may bring still; now if left out.'),
  }),
  response: planSchema,
  errors: ['job_unknown', 'plan_unknown', 'plan_revision_unknown'],
  async handler({ services: { pool }, scope, params, query: { revision } }) {
    const plan = await mustFindPlan(pool, { scopeId: scope.id, ...params })
    if (revision === undefined) return planView(definitionView(plan))
    const use = { ...params, revision }
    const kept = await getRevision(pool, scope.id, use)
    if (!kept) throw revisionUnknown(use)
    return planView(definitionView(planAt(plan, { ...kept, revision })))
  },
})
