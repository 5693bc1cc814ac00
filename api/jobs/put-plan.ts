/** PUT /jobs/{job}/plans/{plan}: makes a plan of a job, or changes what it chooses. */
import { z } from 'zod'
import { auditedSecrets } from '../../domain/audited-secrets.js'
import { PlatformError } from '../../domain/errors.js'
import { chooseSteps } from '../../domain/job.js'
import { chosenSchema } from '../../domain/job.schema.js'
import { checkNoneKept, citedByValues } from '../../domain/secret-variable.js'
import { compileVariables } from '../../domain/variable.js'
import { type Values, valuesSchema } from '../../domain/variable.schema.js'
import { getPlan, insertPlan, type JobPlan, syncPlan, updatePlan } from '../../store/postgres/job-plans.js'
import { findSecrets, holdFrozen, namedByValues } from '../executions/find-secrets.js'
import { keepRevision } from '../../store/postgres/plan-revisions.js'
import { descriptionField, revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { keepErrors, keepValues, mayGiveValues } from '../secrets/keep-values.js'
import { checkSeen } from '../seen.js'
import { mustFindPlan, mustLockJob } from './find-job.js'
import { jobView, planParams, planSummarySchema, planView, seenField, withoutSteps } from './schema.js'

export const putPlan = operation({
  name: 'put-plan',
  method: 'put',
  path: '/jobs/{job}/plans/{plan}',
  policy: 'job.write',
  summary: 'Make a plan of a job, or change it',
  description:
    'A new one gets the steps that the job has now; one that is there keeps its steps until it is synced. Without `revision` it must be new. With `jobRevision` it is synced in the same breath, and chooses of the steps that the job has now. A request that gives values is repeated with the same token.',
  params: planParams,
  secret: ({ body }) => mayGiveValues(body.values),
  body: z.strictObject({
    description: descriptionField.default(''),
    chosen: chosenSchema.default(null),
    values: valuesSchema
      .default({})
      .describe(
        "The plan's own values of variables; the others have the job's, as it had them at the last sync.",
      ),
    revision: seenField,
    jobRevision: revisionField.optional().describe('Of the job that the plan is to have the steps of.'),
  }),
  response: planSummarySchema,
  errors: [
    'job_unknown',
    'plan_unknown',
    'plan_invalid',
    'variable_unknown',
    'name_taken',
    'edit_conflict',
    'secret_unknown',
    'secret_version_unknown',
    'secret_version_refused',
    ...keepErrors,
  ],
  audit: ({ params, body }) => ({
    resource: `job/${params.job}/plan/${params.plan}`,
    detail: {
      chosen: body.chosen,
      values: Object.keys(body.values),
      secrets: auditedSecrets({ values: body.values }),
      revision: body.revision ?? null,
      jobRevision: body.jobRevision ?? null,
    },
  }),
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, ...params }
    const job = await mustLockJob(tx, key)
    const { revision, jobRevision, description, chosen } = body
    if (jobRevision !== undefined) checkSeen(jobRevision, jobView(withoutSteps(job)), `job ${key.job}`)
    const before = revision === undefined ? undefined : await mustFindPlan(tx, key)
    if (revision !== undefined && before)
      checkSeen(revision, planView(withoutSteps(before)), `plan ${key.job}/${key.plan}`)
    else if (await getPlan(tx, key))
      throw new PlatformError('name_taken', `there is a plan ${key.plan}; give its revision to change it`)
    const { steps, variables } = before && jobRevision === undefined ? before : job
    chooseSteps(steps, chosen)
    compileVariables(variables, [body.values], false)
    checkNoneKept(variables, body.values)
    const keeper = { scopeId: scope.id, by: caller.principalId }
    const given = { values: body.values, before: before ? keptValues(before) : {} }
    const values = await keepValues(tx, keeper, variables, given)
    const ownSecrets = citedByValues(variables, values)
    const content = { description, chosen, values, ownSecrets, by: caller.principalId }
    if (before) await updatePlan(tx, key, content)
    else await insertPlan(tx, key, content)
    if (before && jobRevision !== undefined) await syncPlan(tx, key, content)
    await holdFrozen(tx, scope.id, await findSecrets(tx, scope.id, namedByValues(variables, values)))
    await keepRevision(tx, key)
    return planView(withoutSteps(await mustFindPlan(tx, key)))
  },
})

/** What `******` may stand for: a map that a variable was is nothing that was kept of a secret. */
const keptValues = ({ values, secretVariables }: JobPlan): Values =>
  Object.fromEntries(Object.entries(values).filter(([name]) => secretVariables.includes(name)))
