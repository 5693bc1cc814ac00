/** The shape of a plan as a person writes it, and of the step that an ad-hoc launch makes one of. */
import { z } from 'zod'
import { hasOneSource, ONE_SOURCE, scriptStepFields } from './step/script-step.schema.js'
import { hasOneSqlSource, ONE_SQL_SOURCE, sqlStepFields } from './step/sql-step.schema.js'
import { planStepSchema } from './step/plan-step.schema.js'
import { rebootStepSchema } from './step/reboot-step.schema.js'
import { undoField } from './step/undo.schema.js'
import { waitStepSchema } from './step/wait-step.schema.js'
import { variablesSchema } from './variable.schema.js'

/** A step of any kind; one without a `type` is a script. */
export const stepSchema = z.discriminatedUnion('type', [
  scriptStepFields.extend({ undo: undoField }).refine(hasOneSource, ONE_SOURCE),
  sqlStepFields.extend({ undo: undoField }).refine(hasOneSqlSource, ONE_SQL_SOURCE),
  waitStepSchema,
  rebootStepSchema,
  planStepSchema,
])

/** A step that is launched alone needs no name of its own, and its target is the launch's. */
export const adHocStepSchema = scriptStepFields
  .omit({ target: true, onEmpty: true })
  .extend({ name: scriptStepFields.shape.name.optional() })
  .refine(hasOneSource, ONE_SOURCE)

export const adHocSqlSchema = sqlStepFields
  .omit({ type: true, target: true, onEmpty: true })
  .extend({ name: sqlStepFields.shape.name.optional() })
  .refine(hasOneSqlSource, ONE_SQL_SOURCE)

/** As long as that of a plan of a job, `job/plan`. */
const NAME_MAX = 127

export const planSchema = z.strictObject({
  name: z.string().min(1).max(NAME_MAX),
  steps: z.array(stepSchema).min(1).max(100),
  variables: variablesSchema.optional(),
})

export type StepInput = z.infer<typeof stepSchema>
export type PlanInput = z.infer<typeof planSchema>
