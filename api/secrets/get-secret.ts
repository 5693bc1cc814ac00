/** GET /secrets/{secret}: what is known of it; never a value. */
import { operation } from '../operation.js'
import { keyOf, mustFindSecret } from './find-secret.js'
import { secretParams, secretSchema, secretView } from './schema.js'

export const getSecret = operation({
  name: 'get-secret',
  method: 'get',
  path: '/secrets/{secret}',
  policy: 'secret.read',
  summary: 'Show a secret, without its value',
  params: secretParams,
  response: secretSchema,
  errors: ['secret_unknown'],
  handler: async ({ services, scope, params }) =>
    secretView(await mustFindSecret(services.pool, keyOf(scope, params))),
})
