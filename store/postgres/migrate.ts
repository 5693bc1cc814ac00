/** Migrations: numbered SQL files, forward only; one process runs them, the others wait for it. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely'
import type { Db, Pool } from './pool.js'

// tsc does not copy SQL: compiled code stands in dist/store/postgres, the files stay in store/postgres/migrations.
const beside = path.join(__dirname, 'migrations')
const MIGRATIONS_FOLDER = existsSync(beside)
  ? beside
  : path.join(__dirname, '../../../store/postgres/migrations')

/** Brings the schema to the newest migration. Safe to call from many processes at once. */
export async function migrate(pool: Pool, folder = MIGRATIONS_FOLDER): Promise<string[]> {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: async () => pool }) })
  const migrator = new Migrator({ db, provider: { getMigrations: () => readMigrations(folder) } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) throw new Error('the database schema could not be brought up to date', { cause: error })
  return (results ?? []).map((result) => result.migrationName)
}

/** Whether every migration of this build has run; for roles that may not run them. */
export async function isMigrated(db: Db, folder = MIGRATIONS_FOLDER): Promise<boolean> {
  const names = Object.keys(await readMigrations(folder))
  const table = await db.query<{ found: boolean }>(
    // A role that does not own the table may read it once the migrations have said so.
    `select coalesce(has_table_privilege(to_regclass('kysely_migration'), 'select'), false) as found`,
  )
  if (!table.rows[0]?.found) return false
  const done = await db.query<{ n: string }>(
    'select count(*) as n from kysely_migration where name = any($1)',
    [names],
  )
  return Number(done.rows[0]?.n) === names.length
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
