/** Database accounts, one row each. */
import type { DbAccount } from '../../domain/db-account.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface KeptDbAccount extends DbAccount {
  description: string
  revision: number
  createdBy: string
  createdAt: Date
  updatedBy: string
  updatedAt: Date
}

export interface DbAccountKey {
  scopeId: ScopeId
  name: string
}

export interface DbAccountContent extends Omit<DbAccount, 'name'> {
  description: string
  by: PrincipalId
}

const own = `a.name, a.engine, a.host, a.port, a.database_name as "database", a.login as "user", a.ssl_mode as "sslMode",
  a.ca_file as "caFile", a.secret`
const columns = `${own}, a.description, a.revision, c.name as "createdBy", a.created_at as "createdAt", u.name as "updatedBy",
  a.updated_at as "updatedAt"`
const source = 'db_account a join principal c on c.id = a.created_by join principal u on u.id = a.updated_by'

/** By name, after a cursor. */
export async function listDbAccounts(
  db: Db,
  scopeId: ScopeId,
  page: { after: string; limit: number },
): Promise<KeptDbAccount[]> {
  const result = await db.query<KeptDbAccount>(
    `select ${columns} from ${source} where a.scope_id = $1 and a.name > $2 order by a.name limit $3`,
    [scopeId, page.after, page.limit],
  )
  return result.rows
}

export async function getDbAccount(db: Db, key: DbAccountKey): Promise<KeptDbAccount | undefined> {
  const result = await db.query<KeptDbAccount>(
    `select ${columns} from ${source} where a.scope_id = $1 and a.name = $2`,
    [key.scopeId, key.name],
  )
  return result.rows[0]
}

/** The same, and nobody else changes, removes or cites it before the transaction ends. */
export async function lockDbAccount(tx: Db, key: DbAccountKey): Promise<KeptDbAccount | undefined> {
  await tx.query('select from db_account where scope_id = $1 and name = $2 for update', [
    key.scopeId,
    key.name,
  ])
  return getDbAccount(tx, key)
}

/** Those of the names that there are, as a compiled step keeps them. */
export async function findDbAccounts(
  db: Db,
  scopeId: ScopeId,
  names: readonly string[],
): Promise<DbAccount[]> {
  const result = await db.query<DbAccount>(
    `select ${own} from db_account a where a.scope_id = $1 and a.name = any($2)`,
    [scopeId, names],
  )
  return result.rows
}

/** Holds those of the names that there are until the transaction ends. @returns the held ones */
export async function holdDbAccounts(tx: Db, scopeId: ScopeId, names: readonly string[]): Promise<string[]> {
  const result = await tx.query<{ name: string }>(
    'select name from db_account where scope_id = $1 and name = any($2) order by name for share',
    [scopeId, names],
  )
  return result.rows.map((row) => row.name)
}

const valuesOf = ({ scopeId, name }: DbAccountKey, content: DbAccountContent) => [
  scopeId,
  name,
  content.description,
  content.engine,
  content.host,
  content.port,
  content.database,
  content.user,
  content.sslMode,
  content.caFile,
  content.secret,
  content.by,
]

/** False if the name is taken. */
export async function insertDbAccount(
  tx: Db,
  key: DbAccountKey,
  content: DbAccountContent,
): Promise<boolean> {
  const result = await tx.query(
    `insert into db_account (scope_id, name, description, engine, host, port, database_name, login, ssl_mode, ca_file, secret, created_by, updated_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) on conflict do nothing`,
    valuesOf(key, content),
  )
  return result.rowCount === 1
}

/** Under its lock. */
export async function updateDbAccount(tx: Db, key: DbAccountKey, content: DbAccountContent): Promise<void> {
  await tx.query(
    `update db_account set description = $3, engine = $4, host = $5, port = $6, database_name = $7, login = $8, ssl_mode = $9,
       ca_file = $10, secret = $11, updated_by = $12, updated_at = now(), revision = revision + 1
     where scope_id = $1 and name = $2`,
    valuesOf(key, content),
  )
}

/** Under its lock. */
export async function removeDbAccount(tx: Db, key: DbAccountKey): Promise<void> {
  await tx.query('delete from db_account where scope_id = $1 and name = $2', [key.scopeId, key.name])
}

/** Names of those whose password is the secret. Read rarely, so that no index is kept for it. */
export async function listDbAccountsWith(
  db: Db,
  { scopeId, secret }: { scopeId: ScopeId; secret: string },
  limit: number,
): Promise<string[]> {
  const result = await db.query<{ name: string }>(
    'select name from db_account where scope_id = $1 and secret = $2 order by name limit $3',
    [scopeId, secret, limit],
  )
  return result.rows.map((row) => row.name)
}

/** Jobs and plans with a step that signs in with it, or is taken back with it, as `job` and `job/plan`. Read rarely, so that no index is kept for it. */
export async function listDbAccountCitations(db: Db, key: DbAccountKey, limit: number): Promise<string[]> {
  const cite = { type: 'sql', dbAccount: key.name }
  const cites = [[cite], [{ undo: cite }]].map((steps) => JSON.stringify(steps))
  const result = await db.query<{ cited: string }>(
    `select d.job || coalesce('/' || d.plan, '') as cited from job_definition d
     where d.scope_id = $1 and d.steps @> any($2::jsonb[]) order by cited limit $3`,
    [key.scopeId, cites, limit],
  )
  return result.rows.map((row) => row.cited)
}
