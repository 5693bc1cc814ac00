/** The shape of an SQL step as a person writes it. */
import { z } from 'zod'
import { databaseField } from '../db-account.schema.js'
import { NAME } from '../name.js'
import { scriptStepFields } from './script-step.schema.js'

const { uses, account, timeoutMs, graceMs, onFailure, concurrency, retry, name, target, onEmpty, when } =
  scriptStepFields.shape

export const sqlStepFields = z.strictObject({
  type: z.literal('sql'),
  name,
  target,
  onEmpty,
  sql: z.string().min(1).optional().describe('The statements; at most 1 MiB.'),
  uses: uses.describe('A script of the library in the language sql, instead of a text.'),
  dbAccount: z
    .string()
    .regex(new RegExp(`^${NAME}$`), 'must be the name of a database account')
    .describe('Where the statements run, and as whom: as it is at the launch.'),
  database: databaseField.optional().describe("Instead of the account's."),
  format: z
    .enum(['tsv', 'csv', 'jsonl'])
    .default('tsv')
    .describe(
      'How rows are written: tab-separated with a header, comma-separated with a header, or an object a line.',
    ),
  onError: z
    .enum(['stop', 'continue'])
    .default('stop')
    .describe('After a statement that fails; the host fails in either case.'),
  transaction: z
    .boolean()
    .default(false)
    .describe('Whether all statements are one transaction. Otherwise each is one of its own.'),
  account: account.describe(
    "The operating system's account that the runner runs as; the agent's own if left out.",
  ),
  timeoutMs,
  graceMs,
  onFailure,
  concurrency,
  retry,
  when,
})

interface Source {
  sql?: string | undefined
  uses?: string | undefined
}

export const hasOneSqlSource = (step: Source) => (step.sql === undefined) !== (step.uses === undefined)
export const ONE_SQL_SOURCE = 'give either sql or uses'

export type SqlStepInput = z.infer<typeof sqlStepFields>
