/** POST /secrets: a secret with its first version. */
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import { insertSecret } from '../../store/postgres/secrets.js'
import { descriptionField } from '../fields.js'
import { operation } from '../operation.js'
import { addVersion, keyOf, mustFindSecret, mustLockSecret } from './find-secret.js'
import { nameField, secretSchema, secretView, valueField } from './schema.js'

export const createSecret = operation({
  name: 'create-secret',
  method: 'post',
  path: '/secrets',
  policy: 'secret.write',
  summary: 'Keep a secret',
  description:
    'The value is sealed before it is kept, and no route ever returns it: scripts get it on their hosts. A repeat of this request must come with the same token.',
  status: 201,
  secret: true,
  body: z.strictObject({
    name: nameField,
    description: descriptionField.default(''),
    value: valueField,
  }),
  response: secretSchema,
  errors: ['name_taken', 'secret_too_large', 'unavailable'],
  audit: ({ body }) => ({ resource: `secret/${body.name}`, detail: {} }),
  async write({ scope, caller, body }, tx) {
    const key = keyOf(scope, { secret: body.name })
    const createdBy = caller.principalId
    if (!(await insertSecret(tx, key, { description: body.description, createdBy }))) {
      throw new PlatformError(
        'name_taken',
        `there is a secret ${body.name}; give it a new version, or take another name`,
      )
    }
    await mustLockSecret(tx, key)
    await addVersion(tx, key, body.value, createdBy)
    return secretView(await mustFindSecret(tx, key))
  },
})
