/** PUT /db-accounts/{dbAccount}: makes a database account, or replaces what is there. */
import { z } from 'zod'
import { accountFault, defaultPorts } from '../../domain/db-account.js'
import { dbAccountFields } from '../../domain/db-account.schema.js'
import { PlatformError } from '../../domain/errors.js'
import {
  getDbAccount,
  insertDbAccount,
  lockDbAccount,
  updateDbAccount,
} from '../../store/postgres/db-accounts.js'
import { descriptionField, revisionField } from '../fields.js'
import { operation } from '../operation.js'
import { checkSeen } from '../seen.js'
import { holdCited } from '../secrets/find-secret.js'
import { known } from './find-db-account.js'
import { dbAccountParams, dbAccountSchema, dbAccountView } from './schema.js'

export const putDbAccount = operation({
  name: 'put-db-account',
  method: 'put',
  path: '/db-accounts/{dbAccount}',
  policy: 'db-account.write',
  summary: 'Make a database account, or replace it',
  description:
    'Without `revision` it must be new. Runs that were launched keep what they were launched with. Where somebody else was faster, the answer is 409 and `details.current` is what is there now.',
  params: dbAccountParams,
  body: z.strictObject({
    description: descriptionField.default(''),
    ...dbAccountFields,
    revision: revisionField.optional(),
  }),
  response: dbAccountSchema,
  errors: ['db_account_unknown', 'db_account_invalid', 'secret_unknown', 'name_taken', 'edit_conflict'],
  // Where passwords are sent to is worth as much as the passwords.
  audit: ({ params, body }) => {
    const { description: _description, port = null, revision = null, ...detail } = body
    return { resource: `db-account/${params.dbAccount}`, detail: { ...detail, port, revision } }
  },
  async write({ scope, caller, params, body }, tx) {
    const key = { scopeId: scope.id, name: params.dbAccount }
    const { revision, ...fields } = body
    const account = { ...fields, name: key.name, port: fields.port ?? defaultPorts[fields.engine] }
    const fault = accountFault(account)
    if (fault) throw new PlatformError('db_account_invalid', fault)
    const content = { ...account, by: caller.principalId }
    if (revision === undefined) {
      if (!(await insertDbAccount(tx, key, content))) {
        const message = `there is a database account ${key.name}; give its revision to replace it`
        throw new PlatformError('name_taken', message)
      }
    } else {
      const now = dbAccountView(known(await lockDbAccount(tx, key), key))
      checkSeen(revision, now, `database account ${key.name}`)
      await updateDbAccount(tx, key, content)
    }
    if (account.secret !== null) await holdCited(tx, { scopeId: scope.id, name: account.secret })
    return dbAccountView(known(await getDbAccount(tx, key), key))
  },
})
