/** `drover run --sql … --db-account …`: the SQL step that a command line means. */
import type { Launch } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { readScript } from './script-input.js'

export interface SqlOptions {
  sql?: string
  dbAccount?: string
  database?: string
  format?: string
  onError?: string
  transaction?: true
}

interface Others extends SqlOptions {
  file?: string
  script?: string
  lang?: string
  cwd?: string
  login?: true
  env: string[]
  secret: string[]
}

type SqlStep = NonNullable<Launch['sql']>

/** Whether the command line asks for SQL. */
export const isSql = ({ sql, dbAccount }: SqlOptions): boolean => sql !== undefined || dbAccount !== undefined

/** Without what steps of every kind have. @throws UsageError */
export function sqlStepOf(words: string[], options: Others): Pick<SqlStep, 'dbAccount' | 'sql' | 'uses'> {
  const { dbAccount, database, format, onError, transaction } = options
  if (dbAccount === undefined) throw new UsageError('SQL needs --db-account (see: drover db-accounts ls)')
  const { cwd, login, lang, env, secret } = options
  const isScript = [cwd, login, lang].some((value) => value !== undefined) || env.length || secret.length
  if (words.length || isScript)
    throw new UsageError(
      'SQL takes no command, --lang, --cwd, --login, --env or --secret; its password is the secret of its account',
    )
  return {
    ...sourceOf(options),
    dbAccount,
    ...(database === undefined ? {} : { database }),
    ...(format === undefined ? {} : { format }),
    ...(onError === undefined ? {} : { onError }),
    ...(transaction ? { transaction } : {}),
  }
}

function sourceOf({ sql, file, script }: Others): { sql: string; name: string } | { uses: string } {
  const [given, ...more] = [sql, file, script].filter((value) => value !== undefined)
  if (given === undefined || more.length) throw new UsageError('give one of --sql, --file and --script')
  if (script !== undefined) return { uses: script }
  const { script: text, name } = file === undefined ? readScript([given], {}) : readScript([], { file })
  return { sql: text, name }
}
