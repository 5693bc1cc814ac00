/** Bundles of the agent, as the API shows them. */
import { z } from 'zod'
import type { AgentBundle } from '../../store/postgres/agent-bundles.js'
import { timeField, toTime } from '../fields.js'

export const versionField = z
  .string()
  .regex(/^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$/)
  .describe('What the bundle says for `--version`.')

export const agentBundleSchema = z
  .object({
    version: z.string(),
    sha256: z.string().describe('Of the bytes, hex.'),
    platform: z.string(),
    bytes: z.int(),
    createdAt: timeField,
  })
  .meta({ id: 'AgentBundle' })

export function agentBundleView(bundle: AgentBundle): z.input<typeof agentBundleSchema> {
  return { ...bundle, createdAt: toTime(bundle.createdAt) }
}
