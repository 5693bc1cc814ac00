/** GET /db-accounts/{dbAccount}. */
import { getDbAccount as readDbAccount } from '../../store/postgres/db-accounts.js'
import { operation } from '../operation.js'
import { known } from './find-db-account.js'
import { dbAccountParams, dbAccountSchema, dbAccountView } from './schema.js'

export const getDbAccount = operation({
  name: 'get-db-account',
  method: 'get',
  path: '/db-accounts/{dbAccount}',
  policy: 'db-account.read',
  summary: 'Show a database account',
  params: dbAccountParams,
  response: dbAccountSchema,
  errors: ['db_account_unknown'],
  async handler({ services, scope, params }) {
    const key = { scopeId: scope.id, name: params.dbAccount }
    return dbAccountView(known(await readDbAccount(services.pool, key), key))
  },
})
