/** The capability `sql`: a text that the agent's SQL runner carries out, as the process of its task like any script. */
import { join } from 'node:path'
import type { ScriptTask } from '../../proto/index.js'
import { type Refusal, refuse } from '../task/refusal.js'
import { SQL } from './language.js'

// A guest on its host, whatever a database sends.
const HEAP_MB = 512

/** @returns what is wrong with a task as far as SQL goes, or undefined */
export function checkSql(task: ScriptTask): string | undefined {
  const { language, sql, arguments: words, environment, secrets } = task
  if (language !== SQL.name) return sql ? `${language} has no use for the options of SQL` : undefined
  if (!sql) return 'SQL needs to know its database'
  if (words.length || Object.keys(environment).length) return 'SQL takes no arguments and no environment'
  if (secrets.some((name) => name !== PASSWORD)) return `SQL takes no secret but ${PASSWORD}`
  const texts = [
    sql.engine,
    sql.host,
    sql.database,
    sql.user,
    sql.sslMode,
    sql.caFile,
    sql.format,
    sql.onError,
  ]
  return texts.some((text) => text.includes('\0')) ? 'an option of SQL contains a NUL byte' : undefined
}

export function noRunner(): Refusal {
  const detail =
    "this agent's bundle brings no SQL runner; install one that was made by `npm run build`, or order it: drover hosts upgrade"
  return refuse('sql_runner_missing', detail)
}

/** What starts the runner: the Node that the agent itself runs on. */
export function runnerInterpreter(): string[] {
  return [process.execPath, `--max-old-space-size=${HEAP_MB}`]
}

/**
 * The runner's own words; none for another language. Nothing of it is secret: the password is in a file among the task's
 * secrets (docs/reference/spool.md).
 */
export function runnerOptions({ sql, secrets }: ScriptTask, secretsFolder: string | undefined): string[] {
  if (!sql) return []
  const named: [string, string | number][] = [
    ['engine', sql.engine],
    ['host', sql.host],
    ['port', sql.port],
    ['database', sql.database],
    ['user', sql.user],
    ['ssl-mode', sql.sslMode],
    ['ca-file', sql.caFile],
    ['format', sql.format],
    ['on-error', sql.onError],
    [
      'password-file',
      secretsFolder !== undefined && secrets.includes(PASSWORD) ? join(secretsFolder, PASSWORD) : '',
    ],
  ]
  // One word each: a value that begins with a dash must not pass for a name.
  const words = named.flatMap(([name, value]) => (value ? [`--${name}=${value}`] : []))
  return [...words, ...(sql.transaction ? ['--transaction'] : [])]
}

/** The secret that the runner signs in with. */
export const PASSWORD = 'PASSWORD'
