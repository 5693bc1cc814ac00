/** Indexes that a planner without statistics cannot take for one another. */
import { startLedger, type TestLedger } from '../helpers/ledger'

describe('the ledger', () => {
  let ledger: TestLedger

  beforeAll(async () => {
    ledger = await startLedger(2)
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  // A partition of a new hundred thousand runs has no statistics for a minute: with two indexes that begin alike a host was looked
  // for by the state of its step, a whole step read for each (migration 0031).
  it('has one index of host results that begins with the run', async () => {
    const { rows } = await ledger.pool.query<{ columns: string }>(
      `select (select string_agg(a.attname, ' ' order by k.n) from unnest(i.indkey) with ordinality as k (number, n)
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number) as columns
        from pg_index i where i.indrelid = 'host_result'::regclass`,
    )
    expect(rows.map(({ columns }) => columns).sort()).toEqual([
      'scope_id execution_id step_execution_id host_id',
      'shard_id',
    ])
  })
})
