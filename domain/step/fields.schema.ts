/** Fields that steps of every kind have. */
import { z } from 'zod'
import { CONDITION_MAX } from '../condition.js'

export const stepNameField = z
  .string()
  .min(1)
  .max(120)
  .describe('What the step is called in lists and in the Temporal UI.')

/** Characters of a target: names fold, as `web-[01-40]`. */
export const STEP_TARGET_MAX = 80_000

export const stepTargetField = z
  .string()
  .min(1)
  .max(STEP_TARGET_MAX)
  .optional()
  .describe(
    "Hosts of this step alone, instead of the run's: by the grammar of targets, one a line; a line may name a host list, as `${WEB}`. Or hosts of earlier steps, known when the step begins: `step:deploy:failed`, `last:succeeded`.",
  )

export const onEmptyField = z
  .enum(['skip', 'fail'])
  .optional()
  .describe(
    'Where there is none of the hosts of earlier steps that it targets: it is skipped if left out. `fail`: it has failed, unless its failures are ignored.',
  )

export const whenField = z
  .string()
  .min(1)
  .max(CONDITION_MAX)
  .optional()
  .describe(
    'The step runs only where this is met when its turn comes, and is skipped otherwise: a part of CEL, as `steps.deploy.failed == 0`.',
  )
