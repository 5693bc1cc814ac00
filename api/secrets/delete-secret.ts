/** DELETE /secrets/{secret}: with the bytes of all its versions. */
import { z } from 'zod'
import { takeBackSealed } from '../../store/postgres/sealed-orders.js'
import { removeSecret } from '../../store/postgres/secrets.js'
import { operation } from '../operation.js'
import { checkUnused, keyOf, mustLockSecret } from './find-secret.js'
import { secretParams } from './schema.js'

export const deleteSecret = operation({
  name: 'delete-secret',
  method: 'delete',
  path: '/secrets/{secret}',
  policy: 'secret.write',
  summary: 'Remove a secret',
  description:
    'Refused while a job, a plan or a database account uses it. Its values are gone for good: hosts of open runs that have yet to get one are rejected.',
  params: secretParams,
  response: z.object({ name: z.string() }).meta({ id: 'DeletedSecret' }),
  errors: ['secret_unknown', 'secret_in_use'],
  audit: ({ params }) => ({ resource: `secret/${params.secret}`, detail: {} }),
  async write({ scope, params }, tx) {
    const key = keyOf(scope, params)
    await mustLockSecret(tx, key)
    await checkUnused(tx, key)
    await removeSecret(tx, key)
    await takeBackSealed(tx, key)
    return { name: key.name }
  },
})
