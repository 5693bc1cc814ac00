/** Jobs and their plans, as the API shows them. */
import { z } from 'zod'
import { chosenSchema, jobStepsSchema } from '../../domain/job.schema.js'
import { isSecret, showValues, showVariables } from '../../domain/secret-variable.js'
import { type VariableInput, valuesSchema, variablesSchema } from '../../domain/variable.schema.js'
import type { JobSummary } from '../../store/postgres/jobs.js'
import type { JobPlan, PlanSummary } from '../../store/postgres/job-plans.js'
import type { PlanRevision } from '../../store/postgres/plan-revisions.js'
import { descriptionField, nameField, revisionField, timeField, toTimes } from '../fields.js'

export const jobParams = z.object({ job: nameField })
export const planParams = jobParams.extend({ plan: nameField })

/** Left out, it must be new: nothing that is there is overwritten unseen. */
export const seenField = revisionField.optional()

const changedPlansField = z
  .array(z.object({ plan: z.string(), newest: z.int() }))
  .describe(
    'Plans that its steps bring, at any depth, as `deploy-site/quick@3`, and that run something else at their newest revision: nothing follows by itself.',
  )

const who = { createdBy: z.string(), createdAt: timeField, updatedBy: z.string(), updatedAt: timeField }

const jobFields = {
  name: nameField,
  description: descriptionField,
  tags: z.array(z.string()),
  stepNames: z.array(z.string()).describe('In their order.'),
  revision: revisionField,
  plans: z.int().describe('How many it has.'),
  outdated: z.int().describe('How many of them have older steps: they need a sync.'),
  changedPlans: changedPlansField,
  ...who,
}
export const jobSummarySchema = z.object(jobFields).meta({ id: 'JobSummary' })
export const jobSchema = z
  .object({ ...jobFields, steps: jobStepsSchema, variables: variablesSchema })
  .meta({ id: 'Job' })

const planFields = {
  job: nameField,
  name: nameField,
  description: descriptionField,
  chosen: chosenSchema,
  values: valuesSchema.describe('Its own, of variables.'),
  needsSync: z
    .boolean()
    .describe("Whether the job's steps or variables have changed since the plan was made or synced."),
  changedPlans: changedPlansField,
  revision: revisionField,
  ...who,
}
export const planSummarySchema = z.object(planFields).meta({ id: 'PlanSummary' })
export const planSchema = z
  .object({
    ...planFields,
    steps: jobStepsSchema.describe("All of the job's, as they were: what is chosen of them is launched."),
    variables: variablesSchema.describe("The job's, as they were."),
  })
  .meta({ id: 'Plan' })

export const jobView = <J extends JobSummary>(job: J) => ({ ...job, ...toTimes(job) })
export const planView = <P extends PlanSummary>({ secretVariables, ...plan }: P) => ({
  ...plan,
  values: showValues(plan.values, secretVariables),
  ...toTimes(plan),
})

/** With its variables; of a secret only that it has a value, or which secret it names. */
export const definitionView = <D extends { variables: VariableInput[] }>(whole: D) => ({
  ...whole,
  variables: showVariables(whole.variables),
})

/** A plan as it was kept at a revision. */
export const planAt = (
  plan: JobPlan,
  { revision, ...kept }: PlanRevision & { revision: number },
): JobPlan => ({
  ...plan,
  ...kept,
  revision,
  secretVariables: kept.variables.filter(isSecret).map(({ name }) => name),
})

/** What a change answers: the steps are the caller's own, and an answer is kept for days. */
export function withoutSteps<T extends { steps: unknown; variables: unknown }>(whole: T) {
  const { steps: _steps, variables: _variables, ...rest } = whole
  return rest
}
