/** Operations on secrets. */
import type { Operation } from '../operation.js'
import { disableSecretVersion, destroySecretVersion, enableSecretVersion } from './change-secret-version.js'
import { createSecret } from './create-secret.js'
import { createSecretVersion } from './create-secret-version.js'
import { deleteSecret } from './delete-secret.js'
import { getSecret } from './get-secret.js'
import { listSecretCitations } from './list-secret-citations.js'
import { listSecretVersions } from './list-secret-versions.js'
import { listSecrets } from './list-secrets.js'

export const secretOperations: readonly Operation[] = [
  listSecrets,
  createSecret,
  getSecret,
  deleteSecret,
  listSecretVersions,
  createSecretVersion,
  enableSecretVersion,
  disableSecretVersion,
  destroySecretVersion,
  listSecretCitations,
]
