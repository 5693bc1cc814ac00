/** Beats of the ledger: each worker moves a row that nobody else moves, and knows by it whether the database was put back. */
import type { ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface Beat {
  worker: string
  /** 0 before the first one. */
  beat: bigint
  /** By the database's clock. */
  at: Date
}

/**
 * Moves this worker's beat on, in the caller's transaction.
 * @returns the new one, or `put back` if the database shows less than it has answered before
 */
export async function beatLedger(tx: Db, scopeId: ScopeId, last: Beat): Promise<Beat | 'put back'> {
  const found = await tx.query<{ beat: string; recovered: boolean }>(
    `select beat, coalesce((select max(at) from recovery) > $2, false) as recovered from ledger_beat where worker = $1 for update`,
    [last.worker, last.at],
  )
  const recovered = found.rows[0]?.recovered ?? (await wasRecovered(tx, last.at))
  // The answer to the last beat may have been lost: more than was answered is no wonder.
  const before = BigInt(found.rows[0]?.beat ?? 0)
  if (before < last.beat && !recovered) return 'put back'
  const result = await tx.query<{ beat: string; at: Date }>(
    `insert into ledger_beat (scope_id, worker, beat) values ($1, $2, $3)
     on conflict (scope_id, worker) do update set beat = excluded.beat, beat_at = clock_timestamp()
     returning beat, clock_timestamp() as at`,
    [scopeId, last.worker, (before > last.beat ? before : last.beat) + 1n],
  )
  const [row] = result.rows
  if (!row) throw new Error('a beat gave no row')
  return { worker: last.worker, beat: BigInt(row.beat), at: row.at }
}

async function wasRecovered(tx: Db, since: Date): Promise<boolean> {
  return (await tx.query('select from recovery where at > $1 limit 1', [since])).rowCount === 1
}

/** Forgets workers that have been gone for a month. */
export async function removeOldBeats(db: Db): Promise<void> {
  await db.query(`delete from ledger_beat where beat_at < now() - interval '30 days'`)
}
