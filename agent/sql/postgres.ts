/** Sessions with PostgreSQL, by pg and the simple query protocol: text values, one statement a message. */
import { Client, type Connection } from 'pg'
import type { Options } from './options.js'
import { requestCancel } from './postgres-cancel.js'
import { faultOf, PostgresStatement } from './postgres-statement.js'
import { type Receiver, type Session, SqlFault } from './session.js'
import { splitPostgres } from './split-postgres.js'
import type { Statement } from './statement.js'
import { isOwnHost, openOver, type TlsOptions } from './tls-options.js'

const CONNECT_MS = 30_000
const CLOSE_MS = 1_000
/** The server looks so often whether this process is still there while a statement runs; from version 14 on. */
const LIVENESS = `set client_connection_check_interval = '2s'`
const LIVENESS_VERSION = 14

/** Parts of pg that its types leave out: what a session is cancelled by, and the server's settings. */
interface Inner {
  connection: Connection
  processID: number
  secretKey: number
}
interface Notice {
  severity?: string
  message?: string
  detail?: string
  hint?: string
}

/** @throws SqlFault if there is no session to be had */
export async function openPostgres(options: Options, password: string): Promise<Session> {
  const open = (tls: TlsOptions | undefined) => PostgresSession.open(options, password, tls)
  try {
    return await openOver(options, open, hasNoTls)
  } catch (error) {
    throw toFault(error, password)
  }
}

const hasNoTls = (error: unknown) => /does not support SSL/.test((error as Error).message)

function toFault(error: unknown, password: string): SqlFault {
  const fault = faultOf(error as Error)
  const wantsPassword = !password && /password/.test(fault.message)
  return new SqlFault(fault.message, {
    code: fault.code,
    notes: [...fault.notes, ...(wantsPassword ? ['HINT: the database account has no secret'] : [])],
    isLost: true,
    cause: error,
  })
}

/** Whoever answers may ask for the password as it is: across a network without TLS nobody gets it. */
function refuseCleartext(connection: Connection): void {
  const message =
    'the server asks for the password in clear text, and the connection has no TLS: use sslMode require or verify-full'
  connection.removeAllListeners('authenticationCleartextPassword')
  connection.on('authenticationCleartextPassword', () => connection.emit('error', new Error(message)))
}

class PostgresSession implements Session {
  private readonly client: Client
  private readonly inner: Inner
  private readonly options: Options
  private readonly tls: TlsOptions | undefined
  private statement: PostgresStatement | undefined
  private receiver: Receiver | undefined
  private standardStrings = true
  private version = 0

  private constructor(options: Options, password: string, tls: TlsOptions | undefined) {
    this.options = options
    this.tls = tls
    this.client = new Client({
      host: options.host,
      port: options.port,
      user: options.user,
      database: options.database ?? options.user,
      // Never undefined: pg would look for one in the environment and in files.
      password,
      ssl: tls ?? false,
      client_encoding: 'UTF8',
      application_name: `drover ${process.env['DROVER_EXECUTION'] ?? ''}`.trim(),
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
    })
    this.inner = this.client as unknown as Inner
    this.inner.connection.on('parameterStatus', ({ parameterName, parameterValue }) =>
      this.note(parameterName, parameterValue),
    )
    if (!tls && !isOwnHost(options.host)) refuseCleartext(this.inner.connection)
    this.client.on('notice', (notice) => this.tell(notice as Notice))
    // What is lost while nothing runs shows at the next statement.
    this.client.on('error', () => {})
  }

  static async open(options: Options, password: string, tls: TlsOptions | undefined): Promise<Session> {
    const session = new PostgresSession(options, password, tls)
    await session.client.connect()
    if (session.version >= LIVENESS_VERSION) await session.client.query(LIVENESS).catch(() => undefined)
    return session
  }

  transaction(): Promise<'none' | 'open' | 'failed'> {
    const status = this.client.getTransactionStatus()
    return Promise.resolve(status === 'E' ? 'failed' : status === 'T' ? 'open' : 'none')
  }

  split(text: string): Iterable<Statement> {
    return splitPostgres(text, () => this.standardStrings)
  }

  async run(text: string, receiver: Receiver): Promise<string> {
    const statement = new PostgresStatement(text, receiver)
    this.statement = statement
    this.receiver = receiver
    this.client.query(statement)
    try {
      return await statement.done
    } finally {
      this.statement = undefined
    }
  }

  resume(): void {
    this.statement?.resume()
  }

  cancel(): Promise<void> {
    const { host, port } = this.options
    const { processID, secretKey } = this.inner
    return requestCancel({ host, port, tls: this.tls, processId: processID, secretKey })
  }

  async close(): Promise<void> {
    const late = setTimeout(() => this.inner.connection.stream.destroy(), CLOSE_MS)
    await this.client.end().catch(() => undefined)
    clearTimeout(late)
  }

  private note(name: string, value: string): void {
    if (name === 'standard_conforming_strings') this.standardStrings = value === 'on'
    if (name === 'server_version') this.version = Number.parseInt(value, 10)
  }

  private tell({ severity = 'NOTICE', message = '', detail, hint }: Notice): void {
    const more = [...(detail ? [`DETAIL: ${detail}`] : []), ...(hint ? [`HINT: ${hint}`] : [])]
    this.receiver?.notice([`${severity}: ${message}`, ...more].join('; '))
    this.statement?.holdBack()
  }
}
