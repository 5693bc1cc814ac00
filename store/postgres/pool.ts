/** The connection pool to PostgreSQL, and the smallest thing that a query needs. */
import pg from 'pg'
import { PreparedClient } from './prepared-client.js'

/** A pool or a transaction's client: what every function of this folder takes first. */
export type Db = Pick<pg.ClientBase, 'query'>
export type Pool = pg.Pool

/**
 * @param url postgres://user:password@host:port/database
 * @param max most connections of this process
 */
export function createPool(url: string, max = 10): Pool {
  const pool = new pg.Pool(poolOptions(url, max))
  watchErrors(pool)
  return pool
}

/** How every pool of ours connects. */
export function poolOptions(url: string, max: number): pg.PoolConfig {
  return {
    connectionString: url,
    max,
    Client: PreparedClient,
    // A server that is gone must be noticed by the next query, not by TCP's two hours.
    connectionTimeoutMillis: 5_000,
    // A new connection plans each statement anew, several times, and what gets one waits for that.
    idleTimeoutMillis: 600_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: 30_000,
    // A wire that is dead without a word: the server's own limit would have answered before.
    query_timeout: 35_000,
    // Whoever is frozen or cut off in the middle of a transaction must not hold its rows from everybody else.
    idle_in_transaction_session_timeout: 10_000,
    application_name: 'drover',
  }
}

/** Without listeners a connection that breaks would end the process. */
export function watchErrors(pool: Pool): void {
  // An idle connection that breaks is not an error of ours: the next query opens another.
  pool.on('error', () => {})
  // One that breaks while it is in use fails its query; without a listener it would end the process as well.
  pool.on('connect', (client) => client.on('error', () => {}))
}

/** The only row of a result that must have one. */
export function one<T>(result: { rows: T[] }): T {
  const [row] = result.rows
  if (!row) throw new Error('a query that must give a row gave none')
  return row
}
