/** GET /jobs/{job}/plans/{plan}/citations: which steps bring a plan. */
import { z } from 'zod'
import { listPlanCitations as readCitations } from '../../store/postgres/plan-revisions.js'
import { CITATIONS_READ, cutCitations } from '../citations.js'
import { operation } from '../operation.js'
import { mustFindPlan } from './find-job.js'
import { planParams } from './schema.js'

export const listPlanCitations = operation({
  name: 'list-plan-citations',
  method: 'get',
  path: '/jobs/{job}/plans/{plan}/citations',
  policy: 'job.read',
  summary: 'List what brings a plan as a step',
  description:
    'Steps of jobs (`plan` is null), of plans as they were frozen, and of older revisions (`quick@3`) that one of these brings; at most 1,000, `more` says whether there are others.',
  params: planParams,
  response: z
    .object({
      items: z.array(
        z.object({
          job: z.string(),
          plan: z.string().nullable(),
          step: z.string(),
          uses: z.string().describe('As the step says it: `deploy-site/quick@3`.'),
        }),
      ),
      more: z.boolean(),
    })
    .meta({ id: 'PlanCitations' }),
  errors: ['job_unknown', 'plan_unknown'],
  async handler({ services, scope, params }) {
    const key = { scopeId: scope.id, ...params }
    await mustFindPlan(services.pool, key)
    return cutCitations(await readCitations(services.pool, key, CITATIONS_READ))
  },
})
