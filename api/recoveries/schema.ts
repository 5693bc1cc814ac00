/** Recoveries, as the API shows them. */
import { z } from 'zod'
import { idField, timeField } from '../fields.js'

export const recoverySchema = z
  .object({
    id: idField,
    cause: z
      .enum(['beat', 'engine', 'operator'])
      .describe('What showed it: a worker, a finished workflow, or an operator who said so.'),
    name: z.string().nullable().describe("The operator's word for a planned restore."),
    at: timeField,
    releasedAt: timeField.nullable().describe('Since when new launches of this scope run again.'),
    endedWorkflows: z
      .array(z.string())
      .describe('Workflows of runs that the ledger knows no more: they were ended.'),
  })
  .meta({ id: 'Recovery' })
