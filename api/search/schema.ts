/** What a search is asked with, and what it says of how far it came. */
import { z } from 'zod'
import { idField } from '../fields.js'
import { queryFlag, queryInteger } from '../paging.js'

const TEXT_MAX = 200

export const searchQuery = z.strictObject({
  q: z
    .string()
    .min(1)
    .max(TEXT_MAX)
    .refine((text) => !/[\n\r]/.test(text), 'must be of one line')
    .describe('What to look for in each line.'),
  regex: queryFlag.default(false).describe("`q` is a regular expression in RE2's syntax."),
  ignoreCase: queryFlag.default(false),
  step: queryInteger(0, 9_999).optional().describe('Position of one step; all of them if left out.'),
  host: idField.optional().describe('Only this host.'),
  after: z.string().max(500).optional().describe('The `next` of the page before.'),
})

export const searchedSchema = z.object({
  hosts: z.int().describe('Hosts of a step that this page has searched to the end of what is kept.'),
  bytes: z.number().describe('Bytes that this page has read.'),
  open: z.int().describe('Of these hosts, how many may still write.'),
})
