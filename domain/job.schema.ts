/** The shape of a job as a person writes it: the steps that its plans choose from. */
import { z } from 'zod'
import { stepSchema } from './plan.schema.js'
import type { VariableInput } from './variable.schema.js'

export const jobStepsSchema = z
  .array(stepSchema)
  .min(1)
  .max(100)
  .refine(
    (steps) => new Set(steps.map((step) => step.name)).size === steps.length,
    'must give each step a name of its own: plans choose by it',
  )

/** Names of steps; the order is the job's. */
export const chosenSchema = z
  .array(z.string().min(1).max(120))
  .min(1)
  .max(100)
  .refine((names) => new Set(names).size === names.length, 'must name each step once')
  .nullable()
  .describe('Which steps of the job, by name; null for all, also those that come later.')

export type JobSteps = z.infer<typeof jobStepsSchema>

/** What a plan freezes of its job. */
export interface JobDefinition {
  steps: JobSteps
  variables: VariableInput[]
}
