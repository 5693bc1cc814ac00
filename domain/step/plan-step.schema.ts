/** The shape of a step that is a plan of a job, as a person writes it. */
import { z } from 'zod'
import { parsePlanUse } from '../plan-use.js'
import { TIMEOUT_MAX_MS } from '../script.js'
import { VARIABLES_MAX } from '../variable-name.js'
import { valuesSchema, variableNameField } from '../variable.schema.js'
import { stepNameField, whenField } from './fields.schema.js'

const namesByName = z
  .record(variableNameField, variableNameField)
  .refine((names) => Object.keys(names).length <= VARIABLES_MAX, `has more than ${VARIABLES_MAX} names`)

export const planStepSchema = z.strictObject({
  type: z.literal('plan'),
  name: stepNameField,
  plan: z
    .string()
    .max(140)
    .refine(
      (text) => parsePlanUse(text) !== undefined,
      'must be a plan of a job at one of its revisions, as `deploy-site/quick@3`',
    )
    .describe('A plan of a job and its revision, as `deploy-site/quick@3`: what it was then is what runs.'),
  values: valuesSchema.optional().describe("Of the plan's variables, for this step."),
  follows: namesByName
    .optional()
    .describe(
      "Variables of the plan, each with the variable out here whose value it begins with: `RELEASE: VERSION` gives the plan's RELEASE what VERSION holds when the step's turn comes.",
    ),
  handsBack: namesByName
    .optional()
    .describe(
      'Variables of the plan, each with the variable out here that gets its value when the plan is over, where its scripts changed it: `BUILD: RESULT`.',
    ),
  onFailure: z
    .enum(['stop', 'ignore'])
    .default('stop')
    .describe('`ignore`: where a step of it fails, the rest of it is left out and the run goes on after it.'),
  stepTimeoutMs: z
    .int()
    .min(1)
    .max(TIMEOUT_MAX_MS)
    .optional()
    .describe('No step of it gives its hosts more time than this.'),
  when: whenField,
})

export type PlanStepInput = z.infer<typeof planStepSchema>
