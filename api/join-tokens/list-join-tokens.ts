/** GET /join-tokens: those that have not expired. */
import { isId } from '../../domain/id.js'
import { listJoinTokens as readJoinTokens } from '../../store/postgres/join-tokens.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { joinTokenSchema, joinTokenView } from './schema.js'

export const listJoinTokens = operation({
  name: 'list-join-tokens',
  method: 'get',
  path: '/join-tokens',
  policy: 'join-token.read',
  summary: 'List join tokens',
  query: pageQuery,
  response: pageOf(joinTokenSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('join-token', query.after, isId) ?? '0'
    const rows = await readJoinTokens(services.pool, scope.id, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, joinTokenView, (token) => encodeCursor('join-token', token.id))
  },
})
