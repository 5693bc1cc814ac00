/** Operations on database accounts. */
import type { Operation } from '../operation.js'
import { deleteDbAccount } from './delete-db-account.js'
import { getDbAccount } from './get-db-account.js'
import { listDbAccounts } from './list-db-accounts.js'
import { putDbAccount } from './put-db-account.js'

export const dbAccountOperations: readonly Operation[] = [
  listDbAccounts,
  getDbAccount,
  putDbAccount,
  deleteDbAccount,
]
