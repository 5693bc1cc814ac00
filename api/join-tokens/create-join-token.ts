/** POST /join-tokens: a secret by which hosts may join, shown this once. */
import { createHash, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { insertJoinToken, newJoinSecret } from '../../store/postgres/join-tokens.js'
import { listPublicKeys } from '../../store/postgres/platform-keys.js'
import type { Db } from '../../store/postgres/pool.js'
import { firstScope } from '../../store/postgres/scopes.js'
import { idField, timeField, toTime } from '../fields.js'
import { checkLabels } from '../hosts/set-host-labels.js'
import { operation } from '../operation.js'

const HOUR_MS = 3_600_000

export const createJoinToken = operation({
  name: 'create-join-token',
  method: 'post',
  path: '/join-tokens',
  policy: 'join-token.write',
  summary: 'Make a join token',
  description:
    'The token also carries the fingerprint of the certificate authority, so that a host knows whom it joins.',
  status: 201,
  body: z.strictObject({
    labels: z.record(z.string(), z.string()).default({}).describe('Given to every host that joins by it.'),
    uses: z.int().min(1).max(10_000).default(1),
    ttlMs: z
      .int()
      .min(1_000)
      .max(24 * HOUR_MS)
      .default(HOUR_MS),
  }),
  response: z
    .object({ id: idField, token: z.string().describe('The secret, given only here.'), expiresAt: timeField })
    .meta({ id: 'NewJoinToken' }),
  secret: true,
  errors: [],
  audit: ({ body }) => ({
    resource: 'join-token',
    detail: { labels: body.labels, uses: body.uses, ttlMs: body.ttlMs },
  }),
  async write({ scope, caller, body }, tx) {
    checkLabels(body.labels)
    const fingerprint = await findCaFingerprint(tx)
    const secret = newJoinSecret()
    const { labels, uses, ttlMs } = body
    const made = await insertJoinToken(tx, {
      scopeId: scope.id,
      secret,
      labels,
      uses,
      ttlMs,
      createdBy: caller.principalId,
    })
    return { id: made.id, token: `${secret}.${fingerprint}`, expiresAt: toTime(made.expiresAt) }
  },
})

/** base64url of the sha256 of the authority's certificate (DER). */
async function findCaFingerprint(db: Db): Promise<string> {
  const [ca] = await listPublicKeys(db, (await firstScope(db)).id, 'ca')
  if (!ca) {
    throw new PlatformError(
      'unavailable',
      'no worker has started yet: it makes the certificate authority that a join token names; start one and try again',
    )
  }
  return createHash('sha256').update(new X509Certificate(ca.publicPart).raw).digest('base64url')
}
