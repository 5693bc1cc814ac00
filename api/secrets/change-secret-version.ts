/** POST …/versions/{version}/enable, disable and destroy. */
import type { SecretChange } from '../../domain/secret.js'
import { operation } from '../operation.js'
import { changeVersion, keyOf } from './find-secret.js'
import { secretVersionParams, secretVersionSchema, secretVersionView } from './schema.js'

interface Words {
  summary: string
  description: string
}

const changeOperation = (change: SecretChange, words: Words) =>
  operation({
    name: `${change}-secret-version`,
    method: 'post',
    path: `/secrets/{secret}/versions/{version}/${change}`,
    policy: 'secret.write',
    ...words,
    params: secretVersionParams,
    response: secretVersionSchema,
    errors: ['secret_unknown', 'secret_version_unknown', 'secret_version_refused'],
    audit: ({ params }) => ({ resource: `secret/${params.secret}`, detail: { version: params.version } }),
    async write({ scope, params }, tx) {
      return secretVersionView(await changeVersion(tx, keyOf(scope, params), params.version, change))
    },
  })

export const enableSecretVersion = changeOperation('enable', {
  summary: 'Enable a version of a secret again',
  description: 'A destroyed one is not to be had any more.',
})

export const disableSecretVersion = changeOperation('disable', {
  summary: 'Disable a version of a secret',
  description:
    'Nothing is given it any more: launches that name it are refused, and hosts of open runs that have yet to get it are rejected. Scripts that have it keep it.',
})

export const destroySecretVersion = changeOperation('destroy', {
  summary: 'Destroy a version of a secret for good',
  description:
    'Its value is gone from the database (not from backups of before). Otherwise as if it were disabled.',
})
