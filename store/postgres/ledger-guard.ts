/** The guard of the ledger: a process that has seen a newer state of the database does not act on an older one. */
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { type Db, poolOptions, type Pool, watchErrors } from './pool.js'

/** The newest beat that was read, and when by the database's clock. */
interface Seen {
  worker: string
  beat: string
  at: Date
}

interface Look {
  /** Whether what this process knows was explained by a recovery since. */
  recovered: boolean
  /** The beat of the worker that was looked at last time; null if it has none. */
  mine: string | null
  newest: Seen | null
}

// Beats of workers that are gone are kept for 30 days: what was seen longer ago proves nothing.
const FORGET_MS = 20 * 86_400_000
const LOOK_EVERY_MS = 1_000
const UNDEFINED_TABLE = '42P01'

/** The database shows an older state than it did. Its code is that of a server that is starting: wait, and try again. */
export class LedgerPutBack extends Error {
  override name = 'LedgerPutBack'
  readonly code = '57P03'

  constructor() {
    super(
      'the database was put back to an older state; nothing is done on it before a worker has recovered it',
    )
  }
}

export class LedgerGuard {
  private seen: Seen | undefined

  /** Reads where the database stands and remembers it. @throws LedgerPutBack */
  async look(db: Db): Promise<void> {
    const { seen } = this
    const { recovered, mine, newest } = await readBeats(db, seen)
    const known = seen && Date.now() - seen.at.getTime() < FORGET_MS
    if (known && !recovered && (mine === null || BigInt(mine) < BigInt(seen.beat))) throw new LedgerPutBack()
    this.seen = newest ?? undefined
  }
}

async function readBeats(db: Db, seen: Seen | undefined): Promise<Look> {
  try {
    const result = await db.query<Look>(
      `select coalesce((select max(at) from recovery) > $2::timestamptz, false) as recovered,
         (select beat from ledger_beat where worker = $1::uuid) as mine,
         (select json_build_object('worker', worker, 'beat', beat::text) from ledger_beat order by beat_at desc limit 1) as newest,
         clock_timestamp() as at`,
      [seen?.worker ?? null, seen?.at ?? null],
    )
    const [row] = result.rows as (Look & { at: Date })[]
    if (!row) throw new Error('a query that must give a row gave none')
    return { ...row, newest: row.newest && { ...row.newest, at: row.at } }
  } catch (error) {
    // Before the first migration there is nothing to act on.
    if ((error as { code?: unknown }).code !== UNDEFINED_TABLE) throw error
    return { recovered: false, mine: null, newest: null }
  }
}

/**
 * A pool that hands out no new connection to a database which was put back, until a worker has recovered it: all who ask
 * wait and try again, as while it is away. A database is not put back without ending its connections.
 */
export function createGuardedPool(url: string, max = 10): Pool {
  const guard = new LedgerGuard()
  const pool = new pg.Pool({
    ...poolOptions(url, max),
    verify: (client, done) => void guard.look(client).then(() => done(), done),
  })
  watchErrors(pool)
  void lookOften(guard, pool)
  return pool
}

async function lookOften(guard: LedgerGuard, pool: Pool): Promise<void> {
  while (!pool.ending) {
    // What it finds out counts at the next connection; away or put back, the pool's users hear of it themselves.
    await guard.look(pool).catch(() => undefined)
    await wait(LOOK_EVERY_MS, undefined, { ref: false })
  }
}
