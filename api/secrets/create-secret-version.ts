/** POST /secrets/{secret}/versions: another value from now on. */
import { z } from 'zod'
import { operation } from '../operation.js'
import { addVersion, keyOf, mustFindVersion, mustLockSecret } from './find-secret.js'
import { secretParams, secretVersionSchema, secretVersionView, valueField } from './schema.js'

export const createSecretVersion = operation({
  name: 'create-secret-version',
  method: 'post',
  path: '/secrets/{secret}/versions',
  policy: 'secret.write',
  summary: 'Rotate a secret',
  description:
    'Launches from now on get the new value, unless their steps name a version. Runs under way keep the version that their launch froze: disable or destroy it if they must not.',
  status: 201,
  secret: true,
  params: secretParams,
  body: z.strictObject({ value: valueField }),
  response: secretVersionSchema,
  errors: ['secret_unknown', 'secret_too_large', 'unavailable'],
  audit: ({ params }) => ({ resource: `secret/${params.secret}`, detail: {} }),
  async write({ scope, caller, params, body }, tx) {
    const key = keyOf(scope, params)
    await mustLockSecret(tx, key)
    const version = await addVersion(tx, key, body.value, caller.principalId)
    return secretVersionView(await mustFindVersion(tx, key, version))
  },
})
