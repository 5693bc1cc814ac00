/** Join tokens, as the API shows them: never with their secret. */
import { z } from 'zod'
import type { JoinToken } from '../../store/postgres/join-tokens.js'
import { idField, timeField, toTime, toTimeOrNull } from '../fields.js'

export const joinTokenSchema = z
  .object({
    id: idField,
    labels: z.record(z.string(), z.string()),
    usesLeft: z.int(),
    expiresAt: timeField,
    revokedAt: timeField.nullable(),
    createdAt: timeField,
  })
  .meta({ id: 'JoinToken' })

export function joinTokenView(token: JoinToken): z.input<typeof joinTokenSchema> {
  return {
    ...token,
    expiresAt: toTime(token.expiresAt),
    revokedAt: toTimeOrNull(token.revokedAt),
    createdAt: toTime(token.createdAt),
  }
}
