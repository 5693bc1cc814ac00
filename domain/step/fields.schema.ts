/** Fields that steps of every kind have. */
import { z } from 'zod'
import { CONDITION_MAX } from '../condition.js'

export const stepNameField = z
  .string()
  .min(1)
  .max(120)
  .describe('What the step is called in lists and in the Temporal UI.')

export const whenField = z
  .string()
  .min(1)
  .max(CONDITION_MAX)
  .optional()
  .describe(
    'The step runs only where this is met when its turn comes, and is skipped otherwise: a part of CEL, as `steps.deploy.failed == 0`.',
  )
