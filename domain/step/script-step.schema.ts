/** The shape of a script step as a person writes it. */
import { z } from 'zod'
import { GRACE_DEFAULT_MS, scriptLanguages, TIMEOUT_DEFAULT_MS, TIMEOUT_MAX_MS } from '../script.js'
import { parseUse } from '../script-library.js'
import { parseSecretUse, STEP_SECRETS_MAX } from '../secret.js'
import { onEmptyField, stepNameField, stepTargetField, whenField } from './fields.schema.js'

/** `20` hosts at a time, or `25%` of them. */
export const concurrencySchema = z
  .union([
    z.int().min(1).max(100_000),
    z.string().regex(/^([1-9]\d?|100)%$/, 'write a number or a percentage such as 25%'),
  ])
  .describe('How many hosts run at once: a number, or a percentage of the hosts. All at once if left out.')

const retrySchema = z
  .strictObject({
    attempts: z.int().min(1).max(20).describe('Further attempts after the first.'),
    backoffMs: z.int().min(0).max(3_600_000).default(10_000).describe('Wait before the first of them.'),
    factor: z.number().min(1).max(10).default(2).describe('Each wait is so many times the one before.'),
    maxBackoffMs: z.int().min(0).max(86_400_000).default(300_000),
  })
  .describe(
    'Hosts whose script failed or took too long run again by themselves; each by its own time, while others still run.',
  )

const secretsField = z
  .record(
    z.string().max(255),
    z
      .string()
      .max(80)
      .refine(
        (text) => parseSecretUse(text) !== undefined,
        'must be the name of a secret, as `db-password` or `db-password@3`',
      ),
  )
  .refine((secrets) => Object.keys(secrets).length <= STEP_SECRETS_MAX, `at most ${STEP_SECRETS_MAX} secrets`)
  .describe(
    'Secrets by names: `DB_PASSWORD: db-password` gives the script the path of a file with the value in `DB_PASSWORD_FILE`. `db-password` is the newest enabled version at the launch, `db-password@3` that one.',
  )

export const scriptStepFields = z.strictObject({
  type: z.literal('script').default('script'),
  name: stepNameField,
  target: stepTargetField,
  onEmpty: onEmptyField,
  script: z.string().min(1).optional().describe('The text of the script; at most 1 MiB.'),
  uses: z
    .string()
    .max(80)
    .refine((text) => parseUse(text) !== undefined, 'must be the name of a script, as `deploy` or `deploy@3`')
    .optional()
    .describe(
      'A script of the library instead of a text: `deploy` is the version that is online at the launch, `deploy@3` that one.',
    ),
  language: z
    .enum(scriptLanguages)
    .optional()
    .describe('bash if left out. Not beside `uses`: a script of the library has its own.'),
  arguments: z
    .array(z.string().max(32_768))
    .max(256)
    .default([])
    .describe('Arguments, given as they are; no shell reads them.'),
  environment: z.record(z.string().max(255), z.string().max(32_768)).default({}),
  secrets: secretsField.optional(),
  workingDirectory: z
    .string()
    .max(4096)
    .default('')
    .describe("An absolute path; the account's home if left out."),
  account: z.string().max(64).default('').describe("The account to run as; the agent's own if left out."),
  login: z.boolean().default(false).describe("Whether the account's profile is read first."),
  timeoutMs: z
    .union([
      z.int().min(1).max(TIMEOUT_MAX_MS),
      z.string().regex(/^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/, 'must be a number of ms, or a variable as ${LIMIT}'),
    ])
    .default(TIMEOUT_DEFAULT_MS)
    .describe('Up to 48 h, an hour if left out. Or a variable that holds the number.'),
  graceMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(GRACE_DEFAULT_MS)
    .describe('Between the polite signal and the kill.'),
  onFailure: z.enum(['stop', 'ignore']).default('stop'),
  concurrency: concurrencySchema.optional(),
  retry: retrySchema.optional(),
  onUncaptured: z
    .enum(['fail', 'keep'])
    .optional()
    .describe(
      'Where a shell script ended well, but what it assigned to variables was lost (by exec, or a trap of its own): the host has failed if left out; `keep`: it has succeeded, and the old values hold.',
    ),
  when: whenField,
})

interface Source {
  script?: string | undefined
  uses?: string | undefined
  language?: string | undefined
}

export const hasOneSource = (step: Source) =>
  (step.script === undefined) !== (step.uses === undefined) && !(step.uses && step.language)
export const ONE_SOURCE = 'give either script, with its language, or uses'

export type ScriptStepInput = z.infer<typeof scriptStepFields>
