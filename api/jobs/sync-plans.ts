/** POST /jobs/{job}/sync: gives plans the steps that their job has now. */
import { z } from 'zod'
import { citedByValues } from '../../domain/secret-variable.js'
import { syncChosen, syncValues } from '../../domain/job.js'
import { listOutdated, listPlanNames, syncPlan } from '../../store/postgres/job-plans.js'
import { keepRevision } from '../../store/postgres/plan-revisions.js'
import type { JobKey } from '../../store/postgres/jobs.js'
import type { Db } from '../../store/postgres/pool.js'
import { nameField, revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { mustLockJob, planUnknown } from './find-job.js'
import { jobParams, jobView, withoutSteps } from './schema.js'

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
      .refine((names) => new Set(names).size === names.length, 'must name each plan once')
      .optional()
      .describe('All that need it if left out, at most 1,000 at once.'),
  }),
  response: z
    .object({
      synced: z.array(
        z.object({
          plan: nameField,
          dropped: z.array(z.string()).describe('Steps that it had chosen and the job has no more.'),
          droppedValues: z
            .array(z.string())
            .describe('Variables that it had values for, and that the job has no more or of another type.'),
        }),
      ),
      refused: z
        .array(nameField)
        .describe('Plans that choose none of the steps that the job has now: they keep what they have.'),
      more: z.boolean().describe('Whether there are others: ask again.'),
    })
    .meta({ id: 'SyncedPlans' }),
  errors: ['job_unknown', 'plan_unknown', 'edit_conflict'],
  audit: ({ params, body }) => ({
    resource: `job/${params.job}`,
    detail: { revision: body.revision, plans: body.plans ?? null },
  }),
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, job: params.job }
    const job = await mustLockJob(tx, key)
    checkSeen(body.revision, jobView(withoutSteps(job)), `job ${key.job}`)
    await mustHave(tx, key, body.plans ?? [])
    const found = await listOutdated(tx, key, body.plans, MOST_PLANS + 1)
    const synced = []
    const refused = []
    for (const plan of found.slice(0, MOST_PLANS)) {
      const now = syncChosen(job.steps, plan.chosen)
      if (!now) {
        refused.push(plan.name)
        continue
      }
      const { chosen, dropped } = now
      const { values, droppedValues } = syncValues(job.variables, {
        values: plan.values,
        secret: plan.secretVariables,
      })
      const ownSecrets = citedByValues(job.variables, values)
      const planKey = { ...key, plan: plan.name }
      await syncPlan(tx, planKey, { chosen, values, ownSecrets, by: caller.principalId })
      await keepRevision(tx, planKey)
      synced.push({ plan: plan.name, dropped, droppedValues })
    }
    return { synced, refused, more: found.length > MOST_PLANS }
  },
})

/** @throws PlatformError plan_unknown */
async function mustHave(tx: Db, key: JobKey, plans: readonly string[]): Promise<void> {
  const known = new Set(await listPlanNames(tx, key, plans))
  for (const plan of plans) if (!known.has(plan)) throw planUnknown({ ...key, plan })
}
