/** Fields that many resources share, as zod schemas. */
import { z } from 'zod'
import { isId } from '../domain/id.js'

/** A database id, as a decimal string. */
export const idField = z
  .string()
  .refine(isId, 'must be an id, which is a whole number')
  .meta({ pattern: '^[1-9][0-9]{0,18}$' })

/** An RFC 3339 time in UTC with milliseconds. */
export const timeField = z.string().meta({ format: 'date-time' })

export const toTime = (date: Date): string => date.toISOString()
export const toTimeOrNull = (date: Date | null): string | null => date && date.toISOString()
