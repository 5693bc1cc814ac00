/** PUT /jobs/{job}/plans/{plan}: makes a plan of a job, or changes what it chooses. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { chooseSteps } from '../../domain/job.js'
import { chosenSchema } from '../../domain/job.schema.js'
import { getPlan, insertPlan, updatePlan } from '../../store/postgres/job-plans.js'
import { descriptionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { mustFindPlan, mustLockJob } from './find-job.js'
import { planParams, planSchema, planView, seenField } from './schema.js'

export const putPlan = operation({
  name: 'put-plan',
  method: 'put',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.write',
  summary: 'Make a plan of a job, or change it',
  description:
    'A new one gets the steps that the job has now; one that is there keeps its steps until it is synced. Without `revision` it must be new.',
  params: planParams,
  body: z.strictObject({
    description: descriptionField.default(''),
    chosen: chosenSchema.default(null),
    revision: seenField,
  }),
  response: planSchema,
  errors: ['job_unknown', 'plan_unknown', 'plan_invalid', 'name_taken', 'edit_conflict'],
  audit: ({ params, body }) => ({
    resource: `job/${params.job}/plan/${params.plan}`,
    detail: { chosen: body.chosen, revision: body.revision ?? null },
  }),
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, ...params }
    const job = await mustLockJob(tx, key)
    const { revision, ...rest } = body
    const content = { ...rest, by: caller.principalId }
    const before = await getPlan(tx, key)
    if (revision === undefined) {
      if (before)
        throw new PlatformError('name_taken', `there is a plan ${key.plan}; give its revision to change it`)
      chooseSteps(job.steps, body.chosen)
      await insertPlan(tx, key, content)
    } else {
      const plan = await mustFindPlan(tx, key)
      checkSeen(revision, planView(plan), `plan ${key.job}/${key.plan}`)
      chooseSteps(plan.steps, body.chosen)
      await updatePlan(tx, key, content)
    }
    return planView(await mustFindPlan(tx, key))
  },
})
