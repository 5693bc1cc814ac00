/** DELETE /db-accounts/{dbAccount}: one that no job and no plan names. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { listDbAccountCitations, lockDbAccount, removeDbAccount } from '../../store/postgres/db-accounts.js'
import { operation } from '../operation.js'
import { known } from './find-db-account.js'
import { dbAccountParams } from './schema.js'

const NAMED = 5

export const deleteDbAccount = operation({
  name: 'delete-db-account',
  method: 'delete',
  path: '/db-accounts/{dbAccount}',
  policy: 'db-account.write',
  summary: 'Remove a database account that nothing names',
  description: 'Runs that were launched keep what they were launched with.',
  params: dbAccountParams,
  response: z.object({ name: z.string() }).meta({ id: 'DeletedDbAccount' }),
  errors: ['db_account_unknown', 'db_account_in_use'],
  audit: ({ params }) => ({ resource: `db-account/${params.dbAccount}`, detail: {} }),
  async write({ scope, params }, tx) {
    const key = { scopeId: scope.id, name: params.dbAccount }
    known(await lockDbAccount(tx, key), key)
    const cited = await listDbAccountCitations(tx, key, NAMED)
    if (cited.length) {
      const message = `database account ${key.name} is named by ${cited.join(', ')}${cited.length === NAMED ? ' and perhaps more' : ''}: change them first`
      throw new PlatformError('db_account_in_use', message)
    }
    await removeDbAccount(tx, key)
    return { name: key.name }
  },
})
