/** The shape of a step that restarts hosts, as a person writes it. */
import { z } from 'zod'
import { TIMEOUT_MAX_MS } from '../script.js'
import { scriptStepFields } from './script-step.schema.js'

const { name, target, onEmpty, account, onFailure, concurrency, when } = scriptStepFields.shape

/** Servers with much memory take their time. */
const REBOOT_DEFAULT_MS = 900_000

export const rebootStepSchema = z.strictObject({
  type: z.literal('reboot'),
  name,
  target,
  onEmpty,
  account: account.describe("The account that orders it; the agent's own if left out."),
  timeoutMs: z
    .int()
    .min(10_000)
    .max(TIMEOUT_MAX_MS)
    .default(REBOOT_DEFAULT_MS)
    .describe(
      'Within this the host must have gone down, and within this from then on its agent must be back.',
    ),
  onFailure,
  concurrency,
  when,
})

export type RebootStepInput = z.infer<typeof rebootStepSchema>
