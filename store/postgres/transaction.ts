/** Transactions: all of a function's writes, or none; and reads that all see the same moment. */
import type { Db, Pool } from './pool.js'

/** Runs `work` in one transaction; what it throws rolls everything back and is thrown on. */
export function transaction<T>(pool: Pool, work: (tx: Db) => Promise<T>): Promise<T> {
  return inTransaction(pool, 'begin', work)
}

/** Runs reads that all see what was there at the first of them. */
export function snapshot<T>(pool: Pool, read: (tx: Db) => Promise<T>): Promise<T> {
  return inTransaction(pool, 'begin isolation level repeatable read, read only', read)
}

async function inTransaction<T>(pool: Pool, begin: string, work: (tx: Db) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(begin)
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    // Its answer may still come, or never: nothing more can be asked on this connection.
    if (isReadTimeout(error) || isStalePlan(error)) broken = error
    // A rollback that fails means a broken connection: it is thrown away rather than handed to the next caller.
    else
      await client.query('rollback').catch((fault: Error) => {
        broken = fault
      })
    throw error
  } finally {
    client.release(broken)
  }
}

/** What was prepared on this connection does not fit the tables any more (0A000), or is not there (26000). */
function isStalePlan(error: unknown): error is Error {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return code === '0A000' || code === '26000'
}

/** What `query_timeout` of the pool fails with. */
function isReadTimeout(error: unknown): error is Error {
  return error instanceof Error && error.message === 'Query read timeout'
}
