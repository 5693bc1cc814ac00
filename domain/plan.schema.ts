/** The shape of a plan as a person writes it, and of the step that an ad-hoc launch makes one of. */
import { z } from 'zod'
import { GRACE_DEFAULT_MS, languages, TIMEOUT_DEFAULT_MS, TIMEOUT_MAX_MS } from './script.js'
import { parseUse } from './script-library.js'

/** `20` hosts at a time, or `25%` of them. */
export const concurrencySchema = z
  .union([
    z.int().min(1).max(100_000),
    z.string().regex(/^([1-9]\d?|100)%$/, 'write a number or a percentage such as 25%'),
  ])
  .describe('How many hosts run at once: a number, or a percentage of the hosts. All at once if left out.')

const stepFields = z.strictObject({
  type: z.literal('script').default('script'),
  name: z.string().min(1).max(120).describe('What the step is called in lists and in the Temporal UI.'),
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
    .enum(languages)
    .optional()
    .describe('bash if left out. Not beside `uses`: a script of the library has its own.'),
  arguments: z
    .array(z.string().max(32_768))
    .max(256)
    .default([])
    .describe('Arguments, given as they are; no shell reads them.'),
  environment: z.record(z.string().max(255), z.string().max(32_768)).default({}),
  workingDirectory: z
    .string()
    .max(4096)
    .default('')
    .describe("An absolute path; the account's home if left out."),
  account: z.string().max(64).default('').describe("The account to run as; the agent's own if left out."),
  login: z.boolean().default(false).describe("Whether the account's profile is read first."),
  timeoutMs: z
    .int()
    .min(0)
    .max(TIMEOUT_MAX_MS)
    .default(TIMEOUT_DEFAULT_MS)
    .describe('0: no limit but the 48 h of the order.'),
  graceMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(GRACE_DEFAULT_MS)
    .describe('Between the polite signal and the kill.'),
  onFailure: z.enum(['stop', 'ignore']).default('stop'),
  concurrency: concurrencySchema.optional(),
})

interface Source {
  script?: string | undefined
  uses?: string | undefined
  language?: string | undefined
}

const hasOneSource = (step: Source) =>
  (step.script === undefined) !== (step.uses === undefined) && !(step.uses && step.language)
const ONE_SOURCE = 'give either script, with its language, or uses'

export const scriptStepSchema = stepFields.refine(hasOneSource, ONE_SOURCE)

/** A step that is launched alone needs no name of its own. */
export const adHocStepSchema = stepFields
  .extend({ name: stepFields.shape.name.optional() })
  .refine(hasOneSource, ONE_SOURCE)

/** As long as that of a plan of a job, `job/plan`. */
const NAME_MAX = 127

export const planSchema = z.strictObject({
  name: z.string().min(1).max(NAME_MAX),
  steps: z.array(scriptStepSchema).min(1).max(100),
})

export type ScriptStepInput = z.infer<typeof scriptStepSchema>
export type PlanInput = z.infer<typeof planSchema>
