/** Database accounts, as the API shows them. */
import { z } from 'zod'
import type { KeptDbAccount } from '../../store/postgres/db-accounts.js'
import { dbAccountFields } from '../../domain/db-account.schema.js'
import { descriptionField, nameField, revisionField, timeField, toTimes } from '../fields.js'

export const dbAccountParams = z.object({ dbAccount: nameField })

const { engine, sslMode } = dbAccountFields

/** What is frozen into a compiled step. */
export const signInSchema = z
  .object({
    name: nameField.describe('What steps name it by.'),
    engine,
    host: z.string(),
    port: z.int(),
    database: z.string(),
    user: z.string(),
    sslMode: sslMode.removeDefault(),
    caFile: z.string(),
    secret: z.string().nullable().describe('Name of the secret that is the password.'),
  })
  .meta({ id: 'DbSignIn' })

export const dbAccountSchema = signInSchema
  .extend({
    description: descriptionField,
    revision: revisionField,
    createdBy: z.string(),
    createdAt: timeField,
    updatedBy: z.string(),
    updatedAt: timeField,
  })
  .meta({ id: 'DbAccount' })

export const dbAccountView = (account: KeptDbAccount) => ({ ...account, ...toTimes(account) })
