/** The newest recovery, as far as a gateway may see it. */
import type { Db } from './pool.js'

export interface RecoveryMark {
  tag: string
  at: Date
}

/** Undefined where the database was never put back. */
export async function findRecoveryMark(db: Db): Promise<RecoveryMark | undefined> {
  const result = await db.query<RecoveryMark>('select tag, at from recovery order by id desc limit 1')
  return result.rows[0]
}
