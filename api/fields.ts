/** Fields that many resources share, as zod schemas. */
import { z } from 'zod'
import { isId } from '../domain/id.js'
import { NAME } from '../domain/name.js'

/** A database id, as a decimal string. */
export const idField = z
  .string()
  .refine(isId, 'must be an id, which is a whole number')
  .meta({ pattern: '^[1-9][0-9]{0,18}$' })

/** What people call a thing that they author. */
export const nameField = z
  .string()
  .regex(new RegExp(`^${NAME}$`), 'must be letters, digits, . _ -, at most 63')

/** What sorts things that people author. */
export const tagsField = z
  .array(
    z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}._ -]{0,39}$/u, 'must be letters, digits, . _ -, at most 40'),
  )
  .max(20)
  .refine((tags) => new Set(tags).size === tags.length, 'must name each tag once')

export const descriptionField = z.string().max(2_000)

export const revisionField = z
  .int()
  .min(1)
  .describe('Grows with each change: give the one that you have seen, and nobody else is overwritten.')

/** An RFC 3339 time in UTC with milliseconds. */
export const timeField = z.string().meta({ format: 'date-time' })

export const toTime = (date: Date): string => date.toISOString()
/** When it was made, and changed last. */
export const toTimes = (row: { createdAt: Date; updatedAt: Date }) => ({
  createdAt: toTime(row.createdAt),
  updatedAt: toTime(row.updatedAt),
})
export const toTimeOrNull = (date: Date | null): string | null => date && date.toISOString()
