/** Migrations: numbered SQL files, forward only; one process runs them, the others wait for it. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely'
import { checkOrder } from './migration-order.js'
import type { Db, Pool } from './pool.js'

// tsc does not copy SQL: compiled code stands in dist/store/postgres, the files stay in store/postgres/migrations.
const beside = path.join(__dirname, 'migrations')
const MIGRATIONS_FOLDER = existsSync(beside)
  ? beside
  : path.join(__dirname, '../../../store/postgres/migrations')

/**
 * Brings the schema to the newest migration; one that a newer version has brought further is left as it is. Safe to call from
 * many processes at once.
 * @returns the names of those that ran
 * @throws PlatformError schema_mismatch
 */
export async function migrate(pool: Pool, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const known = Object.keys(await readMigrations(folder))
  if (checkOrder(known, await listDone(pool)) === 'done') return []
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: async () => pool }) })
  const migrator = new Migrator({ db, provider: { getMigrations: () => readMigrations(folder) } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) throw new Error('the database schema could not be brought up to date', { cause: error })
  return (results ?? []).map((result) => result.migrationName)
}

/** Whether every migration of this build has run; for roles that may not run them. */
export async function isMigrated(db: Db, folder = MIGRATIONS_FOLDER): Promise<boolean> {
  const done = await listDone(db)
  return Object.keys(await readMigrations(folder)).every((name) => done.includes(name))
}

/** Names of those that have run, as far as the role may know: one that does not own the table may read it once they have said so. */
async function listDone(db: Db): Promise<string[]> {
  const table = await db.query<{ found: boolean }>(
    `select coalesce(has_table_privilege(to_regclass('kysely_migration'), 'select'), false) as found`,
  )
  if (!table.rows[0]?.found) return []
  const done = await db.query<{ name: string }>('select name from kysely_migration')
  return done.rows.map(({ name }) => name)
}

async function readMigrations(folder: string): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  const migrations = files.map(async (file) => {
    const text = await readFile(path.join(folder, file), 'utf8')
    const migration: Migration = { up: async (db) => void (await sql.raw(text).execute(db)) }
    return [file.replace(/\.sql$/, ''), migration] as const
  })
  return Object.fromEntries(await Promise.all(migrations))
}
