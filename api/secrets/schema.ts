/** Secrets, as the API shows them: never a value, nor anything that is made of one. */
import { z } from 'zod'
import { SECRET_MAX_BYTES, secretStates } from '../../domain/secret.js'
import type { Secret, SecretVersion } from '../../store/postgres/secrets.js'
import { descriptionField, nameField as authoredName, timeField, toTimes } from '../fields.js'
import { queryInteger } from '../paging.js'

export const nameField = authoredName.describe('What steps use it by.')

const VERSION_MAX = 999_999
const versionField = z.int().min(1).max(VERSION_MAX)

export const valueField = z
  .string()
  .min(1)
  .max(SECRET_MAX_BYTES)
  .describe(
    'The value: text without NUL, at most 64 KiB of UTF-8. It is kept as it is, a line break at its end too.',
  )
  .meta({ format: 'password', writeOnly: true })

export const secretParams = z.object({ secret: nameField })
export const secretVersionParams = secretParams.extend({ version: queryInteger(1, VERSION_MAX) })

const who = { createdBy: z.string(), createdAt: timeField, updatedAt: timeField }

export const secretSchema = z
  .object({
    name: nameField,
    description: descriptionField,
    current: versionField
      .nullable()
      .describe('The newest enabled version, which a step gets if it names none.'),
    latest: versionField,
    ...who,
  })
  .meta({ id: 'Secret' })

export const secretVersionSchema = z
  .object({ version: versionField, state: z.enum(secretStates), ...who })
  .meta({ id: 'SecretVersion' })

export const secretView = (secret: Secret) => ({ ...secret, ...toTimes(secret) })
export const secretVersionView = (version: SecretVersion) => ({ ...version, ...toTimes(version) })
