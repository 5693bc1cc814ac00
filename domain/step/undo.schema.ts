/** The shape of what takes a step back, as a person writes it. */
import { z } from 'zod'
import { hasOneSource, ONE_SOURCE, scriptStepFields } from './script-step.schema.js'
import { hasOneSqlSource, ONE_SQL_SOURCE, sqlStepFields } from './sql-step.schema.js'

// It has the name of its step, runs where that took effect, and sets nothing for others.
const account = z.string().max(64).optional().describe("The account to run as; the step's own if left out.")

const scriptUndoSchema = scriptStepFields
  .omit({ name: true, target: true, onEmpty: true, when: true, onUncaptured: true })
  .extend({ account })
  .refine(hasOneSource, ONE_SOURCE)

const sqlUndoSchema = sqlStepFields
  .omit({ name: true, target: true, onEmpty: true, when: true })
  .extend({ account })
  .refine(hasOneSqlSource, ONE_SQL_SOURCE)

export const undoField = z
  .discriminatedUnion('type', [scriptUndoSchema, sqlUndoSchema])
  .optional()
  .describe(
    'What takes the step back, a script or SQL with a time limit of its own: run by the operation `undo`, on hosts where the step took effect.',
  )

export type UndoInput = NonNullable<z.infer<typeof undoField>>
