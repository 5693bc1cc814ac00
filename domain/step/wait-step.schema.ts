/** The shape of a step that waits, as a person writes it. */
import { z } from 'zod'
import { stepNameField, whenField } from './fields.schema.js'

/** As long as orders of a run may be carried out at all. */
const WAIT_MAX_MS = 72 * 3_600_000

export const waitStepSchema = z
  .strictObject({
    type: z.literal('wait'),
    name: stepNameField,
    durationMs: z.int().min(1_000).max(WAIT_MAX_MS).optional(),
    until: z
      .string()
      .regex(
        /^(\d{4}-\d{2}-\d{2}T)?([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/,
        'must be a time of day as 06:00, or a date and time as 2026-11-22T06:00, in `zone`',
      )
      .optional()
      .describe('Instead of a duration: the next such time of day in `zone`, or that date and time.'),
    zone: z.string().max(60).optional().describe('Of `until`: an IANA time zone, as Europe/Vienna.'),
    when: whenField,
  })
  .refine(
    (step) => (step.durationMs === undefined) !== (step.until === undefined),
    'give either durationMs, or until with its zone',
  )
  .refine((step) => (step.until === undefined) === (step.zone === undefined), {
    path: ['zone'],
    message: 'is needed with until, and with it only',
  })

export type WaitStepInput = z.infer<typeof waitStepSchema>
