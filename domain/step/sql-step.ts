/** SQL steps: statements that every host of the run carries out on a database, by the agent's own runner. */
import type { DbAccount } from '../db-account.js'
import { PlatformError } from '../errors.js'
import type { RetryPolicy } from '../retry.js'
import type { OnFailure } from '../step-execution.js'
import type { FrozenSecret } from '../secret.js'
import { checkAccount, frozenSecrets, type ScriptSources, type StepText, textOf } from './script-step.js'
import { checkReferences } from '../variable.js'
import type { SqlStepInput } from './sql-step.schema.js'
import type { Targeted } from './take.js'

export interface CompiledSqlStep extends StepText, Targeted {
  type: 'sql'
  name: string
  language: 'sql'
  /** The database account as it was at the launch; the secret by its name. */
  db: DbAccount
  /** What the runner signs in with, as PASSWORD; left out where the account has none. */
  secrets?: Record<string, FrozenSecret>
  format: 'tsv' | 'csv' | 'jsonl'
  onError: 'stop' | 'continue'
  transaction: boolean
  /** The operating system's. */
  account: string
  /** Or a variable that holds it: `${LIMIT}`. */
  timeoutMs: number | string
  /** The most that such a variable may say, where a nested plan has a limit. */
  timeoutMaxMs?: number
  graceMs: number
  onFailure: OnFailure
  concurrency: number | string | undefined
  retry?: RetryPolicy | undefined
  when?: string | undefined
  /** Position of the step that it takes back; left out of the steps that a run goes through by itself. */
  undoes?: number
}

/** Under which name the agent's runner is given its password. */
const PASSWORD = 'PASSWORD'

/**
 * @param where names the step in messages
 * @throws PlatformError script_too_large, plan_invalid
 */
export function compileSqlStep(step: SqlStepInput, where: string, sources: ScriptSources): CompiledSqlStep {
  const refuse = (why: string) => new PlatformError('plan_invalid', `${where}: ${why}`)
  checkAccount(step.account, where)
  checkReferences([step.account, String(step.timeoutMs)], sources.named, where)
  if (step.transaction && step.onError === 'continue')
    throw refuse('a transaction keeps all or nothing, so it cannot go on after an error')
  const db = sources.dbAccounts.get(step.dbAccount)
  if (!db) throw new Error(`${where} names database account ${step.dbAccount}, which was not looked up`)
  const text = textOf({ text: step.sql, uses: step.uses, language: 'sql' }, where, sources)
  const { language } = text
  if (language !== 'sql') throw refuse(`script ${step.uses} is ${language}, and not SQL`)
  const { sql: _sql, uses: _uses, dbAccount: _account, database, ...rest } = step
  return {
    ...rest,
    ...text,
    language,
    db: { ...db, database: database ?? db.database },
    ...(db.secret === null ? {} : { secrets: frozenSecrets({ [PASSWORD]: db.secret }, where, sources) }),
    concurrency: step.concurrency,
  }
}
