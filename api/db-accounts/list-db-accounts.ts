/** GET /db-accounts. */
import { listDbAccounts as readDbAccounts } from '../../store/postgres/db-accounts.js'
import { operation } from '../operation.js'
import { decodeCursor, encodeCursor, isNameCursor, pageOf, pageQuery, toPage } from '../paging.js'
import { dbAccountSchema, dbAccountView } from './schema.js'

export const listDbAccounts = operation({
  name: 'list-db-accounts',
  method: 'get',
  path: '/db-accounts',
  policy: 'db-account.read',
  summary: 'List database accounts',
  query: pageQuery,
  response: pageOf(dbAccountSchema),
  errors: ['cursor_invalid'],
  async handler({ services, scope, query }) {
    const after = decodeCursor('db-account', query.after, isNameCursor) ?? ''
    const rows = await readDbAccounts(services.pool, scope.id, { after, limit: query.limit + 1 })
    return toPage(rows, query.limit, dbAccountView, (account) => encodeCursor('db-account', account.name))
  },
})
