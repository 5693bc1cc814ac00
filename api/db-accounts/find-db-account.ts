/** Finding database accounts: the one that a path names, and those that steps name. */
import { dbAccountsOf } from '../../domain/step/step.js'
import type { DbAccount } from '../../domain/db-account.js'
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import {
  type DbAccountKey,
  findDbAccounts,
  holdDbAccounts,
  type KeptDbAccount,
} from '../../store/postgres/db-accounts.js'
import type { Db } from '../../store/postgres/pool.js'

/** @throws PlatformError db_account_unknown */
export function known(account: KeptDbAccount | undefined, { name }: DbAccountKey): KeptDbAccount {
  if (!account) throw unknown(name)
  return account
}

function unknown(name: string): PlatformError {
  return new PlatformError(
    'db_account_unknown',
    `there is no database account ${name}; see: drover db-accounts ls`,
  )
}

const namesIn = (plan: PlanInput) => [...new Set(plan.steps.flatMap(dbAccountsOf))]

/** Those that a plan's steps name, as they are now. @throws PlatformError db_account_unknown */
export async function findNamedDbAccounts(
  db: Db,
  scopeId: ScopeId,
  plan: PlanInput,
): Promise<ReadonlyMap<string, DbAccount>> {
  const names = namesIn(plan)
  const found = names.length ? await findDbAccounts(db, scopeId, names) : []
  const byName = new Map(found.map((account) => [account.name, account]))
  const missing = names.find((name) => !byName.has(name))
  if (missing !== undefined) throw unknown(missing)
  return byName
}

/** Makes sure, last in a transaction, that they are still there and stay until it is written. @throws PlatformError db_account_unknown */
export async function holdNamedDbAccounts(tx: Db, scopeId: ScopeId, plan: PlanInput): Promise<void> {
  const names = namesIn(plan)
  if (!names.length) return
  const held = await holdDbAccounts(tx, scopeId, names)
  const missing = names.find((name) => !held.includes(name))
  if (missing !== undefined) throw unknown(missing)
}
