/** PUT /jobs/{job}: makes a job, or replaces what is there. */
import { z } from 'zod'
import { auditedSecrets } from '../../domain/audited-secrets.js'
import { PlatformError } from '../../domain/errors.js'
import { jobStepsSchema } from '../../domain/job.schema.js'
import { variablesSchema } from '../../domain/variable.schema.js'
import { insertJob, updateJob } from '../../store/postgres/jobs.js'
import { giveValues, keepErrors, keepVariables } from '../secrets/keep-values.js'
import { stepErrors } from '../executions/find-used.js'
import { descriptionField, tagsField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { auditSteps, checkDefinition, hashDefinition, mustFindJob, mustLockJob } from './find-job.js'
import { jobParams, jobSummarySchema, jobView, seenField, withoutSteps } from './schema.js'

export const putJob = operation({
  name: 'put-job',
  method: 'put',
  path: '/jobs/{job}',
  policy: 'job.write',
  summary: 'Make a job, or replace it',
  description:
    'Without `revision` it must be new. Its plans keep the steps that they have until they are synced. Where somebody else was faster, the answer is 409 and `details.current` is what is there now. A request that gives the value of a secret variable is repeated with the same token.',
  params: jobParams,
  secret: ({ body }) => giveValues(body.variables),
  body: z.strictObject({
    description: descriptionField.default(''),
    tags: tagsField.default([]),
    steps: jobStepsSchema,
    variables: variablesSchema.default([]),
    revision: seenField,
  }),
  response: jobSummarySchema,
  errors: ['job_unknown', 'name_taken', 'edit_conflict', ...keepErrors, ...stepErrors],
  audit: ({ params, body }) => ({
    resource: `job/${params.job}`,
    detail: {
      steps: auditSteps(body.steps),
      variables: body.variables.map(({ name }) => name),
      secrets: auditedSecrets(body),
      revision: body.revision ?? null,
    },
  }),
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, job: params.job }
    const { revision, ...rest } = body
    const { steps } = body
    const before = revision === undefined ? undefined : await mustLockJob(tx, key)
    if (revision !== undefined && before) checkSeen(revision, jobView(withoutSteps(before)), `job ${key.job}`)
    const keeper = { scopeId: scope.id, by: caller.principalId }
    const variables = await keepVariables(tx, keeper, body.variables, before?.variables ?? [])
    const { nested, hold } = await checkDefinition(tx, scope.id, { name: params.job, steps, variables })
    const content = {
      ...rest,
      variables,
      nested,
      sha256: hashDefinition({ steps, variables }),
      by: caller.principalId,
    }
    if (before) await updateJob(tx, key, content)
    else if (!(await insertJob(tx, key, content)))
      throw new PlatformError('name_taken', `there is a job ${key.job}; give its revision to replace it`)
    await hold()
    return jobView(withoutSteps(await mustFindJob(tx, key)))
  },
})
