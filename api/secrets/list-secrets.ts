/** GET /secrets: their names, and who made them when. */
import { z } from 'zod'
import { listSecrets as readSecrets } from '../../store/postgres/secrets.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { secretSchema, secretView } from './schema.js'

export const listSecrets = operation({
  name: 'list-secrets',
  method: 'get',
  path: '/secrets',
  policy: 'secret.read',
  summary: 'List secrets, without their values',
  query: pageQuery.extend({ name: z.string().max(63).optional().describe('Part of the name.') }),
  response: pageOf(secretSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('secret', query.after, isNameCursor) ?? ''
    const rows = await readSecrets(services.pool, scope.id, query, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, secretView, (secret) => encodeCursor('secret', secret.name))
  },
})
