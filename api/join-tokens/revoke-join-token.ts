/** DELETE /join-tokens/{joinTokenId}: nobody joins by it any more; hosts that have stay. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { revokeJoinToken as endJoinToken } from '../../store/postgres/join-tokens.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'

export const revokeJoinToken = operation({
  name: 'revoke-join-token',
  method: 'delete',
  path: '/join-tokens/{joinTokenId}',
  policy: 'join-token.write',
  summary: 'Revoke a join token',
  params: z.object({ joinTokenId: idField }),
  response: z.object({ id: idField }).meta({ id: 'RevokedJoinToken' }),
  errors: ['join_token_unknown'],
  audit: ({ params }) => ({ resource: `join-token/${params.joinTokenId}`, detail: {} }),
  async write({ scope, params }, tx) {
    if (await endJoinToken(tx, scope.id, params.joinTokenId)) return { id: params.joinTokenId }
    throw new PlatformError(
      'join_token_unknown',
      `there is no join token ${params.joinTokenId} that could still be used`,
    )
  },
})
