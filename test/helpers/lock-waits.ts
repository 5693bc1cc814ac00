/** Waiting until a statement of somebody waits for a lock: from then on the test decides what that one sees. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from '../../store/postgres/pool'

/** @param like a pattern of the statement's text */
export async function untilLockWait(pool: Pool, like: string): Promise<void> {
  const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and query like $1 and pid <> pg_backend_pid()`
  for (let tries = 0; tries < 500; tries++) {
    if ((await pool.query(waits, [like])).rowCount) return
    await sleep(20)
  }
  throw new Error(`nobody waits for a lock with a statement like "${like}"`)
}
