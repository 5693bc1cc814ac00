/** POST /jobs/{job}/sync: gives plans the steps that their job has now. */
import { z } from 'zod'
import { syncChosen } from '../../domain/job.js'
import { listPlans, syncPlan } from '../../store/postgres/job-plans.js'
import { nameField, revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { mustFindPlan, mustLockJob } from './find-job.js'
import { jobParams, jobView } from './schema.js'

const MOST_PLANS = 1_000

export const syncPlans = operation({
  name: 'sync-plans',
  method: 'post',
  path: '/jobs/{job}/sync',
  policy: 'job.write',
  summary: 'Sync plans with their job',
  description:
    'Plans never follow their job by themselves. Give the `revision` of the job that you have compared them with: if it was changed since, nothing is synced.',
  params: jobParams,
  body: z.strictObject({
    revision: revisionField,
    plans: z
      .array(nameField)
      .min(1)
      .max(MOST_PLANS)
      .optional()
      .describe('All that need it if left out, at most 1,000 at once.'),
  }),
  response: z
    .object({
      synced: z.array(
        z.object({
          plan: nameField,
          dropped: z.array(z.string()).describe('Steps that it had chosen and the job has no more.'),
        }),
      ),
    })
    .meta({ id: 'SyncedPlans' }),
  errors: ['job_unknown', 'plan_unknown', 'plan_invalid', 'edit_conflict'],
  audit: ({ params, body }) => ({
    resource: `job/${params.job}`,
    detail: { revision: body.revision, plans: body.plans ?? null },
  }),
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, job: params.job }
    const job = await mustLockJob(tx, key)
    checkSeen(body.revision, jobView(job), `job ${key.job}`)
    const named = await Promise.all((body.plans ?? []).map((plan) => mustFindPlan(tx, { ...key, plan })))
    const all = body.plans ? named : await listPlans(tx, key, { after: '', limit: MOST_PLANS })
    const synced = []
    for (const plan of all.filter(({ needsSync }) => needsSync)) {
      const { chosen, dropped } = syncChosen(job.steps, plan.chosen)
      await syncPlan(tx, { ...key, plan: plan.name }, { chosen, by: caller.principalId })
      synced.push({ plan: plan.name, dropped })
    }
    return { synced }
  },
})
