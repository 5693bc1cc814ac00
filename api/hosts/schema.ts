/** Hosts, as the API shows them. */
import { z } from 'zod'
import type { Host } from '../../store/postgres/hosts.js'
import { idField, timeField, toTime, toTimeOrNull } from '../fields.js'

export const hostSchema = z
  .object({
    id: idField,
    name: z.string(),
    state: z.enum(['active', 'quarantined', 'revoked']),
    stateReason: z.string().nullable(),
    connected: z.boolean().describe('Whether its agent has a live session.'),
    gateway: z.string().nullable(),
    agentVersion: z.string().nullable(),
    protocol: z.int().nullable(),
    clockSkewMs: z.number().nullable().describe("The agent's clock minus the server's."),
    conditions: z.array(z.string()).describe('What is not as it should be, as the agent tells it.'),
    labels: z.record(z.string(), z.string()).describe('Set by operators and join tokens.'),
    facts: z.record(z.string(), z.string()).describe("The agent's word; selectable as `fact.…` only."),
    upgrade: z
      .object({
        version: z.string().describe('The one that was ordered.'),
        fromVersion: z.string().nullable(),
        state: z.enum(['pending', 'downloading', 'probation', 'done', 'rolled_back', 'refused']),
        reason: z.string().nullable(),
        detail: z.string().nullable(),
        requestedAt: timeField,
        updatedAt: timeField,
      })
      .nullable()
      .describe('The latest upgrade of its agent; null if none was ordered.'),
    createdAt: timeField,
    lastSeenAt: timeField.nullable(),
  })
  .meta({ id: 'Host' })

export const hostParams = z.object({ hostId: idField })

export function hostView(host: Host): z.input<typeof hostSchema> {
  const { upgrade } = host
  return {
    ...host,
    upgrade: upgrade && {
      ...upgrade,
      requestedAt: toTime(new Date(upgrade.requestedAt)),
      updatedAt: toTime(new Date(upgrade.updatedAt)),
    },
    createdAt: toTime(host.createdAt),
    lastSeenAt: toTimeOrNull(host.lastSeenAt),
  }
}
