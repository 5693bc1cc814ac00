/** The first start: an administrator with a token that is handed over once. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { Logger } from '../base/logger.js'
import type { Pool } from '../store/postgres/pool.js'
import { bootstrapAdmin, newToken } from '../store/postgres/principals.js'
import { firstScope } from '../store/postgres/scopes.js'
import { transaction } from '../store/postgres/transaction.js'

/**
 * Makes the principal `admin` if there is no principal yet. The token is written, or printed, before the commit: a crash
 * between the two leaves a token that nobody knows of, never an administrator that nobody can be.
 * @param file where the token goes (mode 0600); standard output if undefined
 */
export async function bootstrap(pool: Pool, file: string | undefined, logger: Logger): Promise<void> {
  const scope = await firstScope(pool)
  const made = await transaction(pool, async (tx) => {
    const known = await tx.query('select from principal limit 1')
    if (known.rowCount) return false
    const token = (file && readLeftOver(file)) || newToken()
    if (!(await bootstrapAdmin(tx, scope.id, token))) return false
    if (file) writeToken(file, token)
    else process.stdout.write(`Admin token, shown this once: ${token}\n`)
    return true
  })
  if (made) logger.info({ file }, 'the first administrator was made')
}

/** A token that a start wrote and did not live to commit. */
function readLeftOver(file: string): string | undefined {
  try {
    if (statSync(file).mode & 0o077) return undefined
    return /^drt_[A-Za-z0-9_-]{43}$/.exec(readFileSync(file, 'utf8').trim())?.[0]
  } catch {
    return undefined
  }
}

function writeToken(file: string, token: string): void {
  if (readLeftOver(file) === token) return
  try {
    writeFileSync(file, `${token}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw new Error(
      `the first admin token cannot be written to ${file} (DROVER_BOOTSTRAP_TOKEN_FILE): ${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
}
