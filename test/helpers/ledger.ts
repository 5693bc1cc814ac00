/** A ledger alone: a PostgreSQL of its own with the schema, gone when it is closed. For what needs no platform. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbedded } from '../../stack/embedded/embedded'
import { migrate } from '../../store/postgres/migrate'
import { createPool, type Pool } from '../../store/postgres/pool'

export interface TestLedger {
  pool: Pool
  /** postgres://…, as one that may do everything. */
  url: string
  close(): Promise<void>
}

/** @param connections most of the pool */
export async function startLedger(connections: number): Promise<TestLedger> {
  const data = mkdtempSync(path.join(tmpdir(), 'drover-ledger-'))
  const embedded = await startEmbedded({
    data,
    prefix: 'DROVER_TEST_',
    servers: ['postgres'],
    fsync: false,
    temporary: true,
  })
  const url = embedded.urls.postgres
  const pool = createPool(url, connections)
  await migrate(pool)
  return {
    pool,
    url,
    async close() {
      await pool.end()
      await embedded.close()
      rmSync(data, { recursive: true, force: true })
    },
  }
}
