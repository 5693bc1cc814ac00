/** Values that were given for secret variables: each is a secret of its own, which goes when nothing holds it any more. */
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import { isOwnValue } from '../../domain/secret-variable.js'
import type { Db, Pool } from './pool.js'
import { transaction } from './transaction.js'

/** Says that a run was given these, as far as they are own values. @param secrets their names */
export async function insertRunSecrets(
  tx: Db,
  key: { scopeId: ScopeId; executionId: ExecutionId },
  secrets: readonly string[],
): Promise<void> {
  const own = secrets.filter(isOwnValue)
  if (!own.length) return
  await tx.query(
    `insert into run_secret (scope_id, secret_name, execution_id) select $1, name, $2 from unnest($3::text[]) as name
     on conflict do nothing`,
    [key.scopeId, key.executionId, own],
  )
}

// A value belongs to the transaction that keeps what names it; nothing is judged that is younger than any transaction.
const NOT_BEFORE_MS = 600_000
const AT_ONCE = 500

// Two anti joins: what jobs and plans name is read once, not once for each value.
const isUnheld = `not exists (select from run_secret r join execution e on e.scope_id = r.scope_id and e.id = r.execution_id
    where r.scope_id = s.scope_id and r.secret_name = s.name and (e.ended_at is null or e.ended_at > now() - $1 * interval '1 ms'))
  and not exists (select from (select scope_id, unnest(secrets) as name from job_definition) as d
    where d.scope_id = s.scope_id and d.name = s.name)`

/**
 * Deletes values that no job, no plan, no revision of one that a step brings, and no run holds any more.
 * @param keptMs how long a run that has ended holds what it was given: it may be taken up again
 * @returns how many
 */
export async function removeUnheldValues(
  pool: Pool,
  keptMs: number,
  notBeforeMs = NOT_BEFORE_MS,
): Promise<number> {
  const found = await pool.query<{ scopeId: ScopeId; name: string }>(
    `select s.scope_id as "scopeId", s.name from secret s
     where s.own_value and s.created_at < now() - $2 * interval '1 ms' and ${isUnheld} order by s.created_at limit ${AT_ONCE}`,
    [keptMs, notBeforeMs],
  )
  let removed = 0
  for (const key of found.rows) removed += await transaction(pool, (tx) => removeUnheld(tx, key, keptMs))
  return removed
}

/** Asked again under the lock: a launch that read the value holds it until what it writes is there. */
async function removeUnheld(
  tx: Db,
  key: { scopeId: ScopeId; name: string },
  keptMs: number,
): Promise<number> {
  const at = [key.scopeId, key.name]
  await tx.query('select from secret where scope_id = $1 and name = $2 for update', at)
  const still = await tx.query(
    `select from secret s where s.scope_id = $2 and s.name = $3 and s.own_value and ${isUnheld}`,
    [keptMs, ...at],
  )
  if (!still.rowCount) return 0
  await tx.query('delete from run_secret where scope_id = $1 and secret_name = $2', at)
  await tx.query('delete from secret_version where scope_id = $1 and secret_name = $2', at)
  await tx.query('delete from secret where scope_id = $1 and name = $2', at)
  return 1
}
