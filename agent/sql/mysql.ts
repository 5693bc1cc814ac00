/** Sessions with MySQL and MariaDB, by mysql2 and the text protocol. */
import {
  authPlugins,
  type Connection,
  type ConnectionOptions,
  createConnection,
  type FieldPacket,
} from 'mysql2'
import { columnsOf, renderersOf } from './mysql-values.js'
import type { Options } from './options.js'
import { type Receiver, type Session, SqlFault } from './session.js'
import { splitMysql } from './split-mysql.js'
import type { Statement } from './statement.js'
import { isOwnHost, openOver, type TlsOptions } from './tls-options.js'

const CONNECT_MS = 30_000
const CLOSE_MS = 1_000
const IN_TRANSACTION = 0x0001
const NO_BACKSLASH_ESCAPES = 0x0200
const WARNINGS_SHOWN = 20
const CONNECTION_CODES =
  /^(PROTOCOL_|HANDSHAKE_|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|ENETUN|EAI_|ENOENT|EACCES)/

/** An OK packet, as mysql2 hands it on. */
interface Done {
  affectedRows: number | string
  serverStatus: number
  warningStatus: number
  info: string
}
interface DriverError extends Error {
  code?: string
  errno?: number
  sqlState?: string
  fatal?: boolean
}

/** @throws SqlFault if there is no session to be had */
export async function openMysql(options: Options, password: string): Promise<Session> {
  const open = (tls: TlsOptions | undefined) => MysqlSession.open(options, password, tls)
  try {
    return await openOver(options, open, hasNoTls)
  } catch (error) {
    throw lost(error)
  }
}

const hasNoTls = (error: unknown) => (error as DriverError).code === 'HANDSHAKE_NO_SSL_SUPPORT'

function lost(error: unknown): SqlFault {
  const { message, code } = toFault(error as DriverError)
  return new SqlFault(message, { code, isLost: true, cause: error })
}

// Without TLS the driver would encrypt the password to whatever key the other side names: to whoever stands between.
const refused = {
  onServerPublicKey: (): never => {
    throw new Error(
      'the server asks for the password, and the connection has no TLS: use sslMode require or verify-full',
    )
  },
}
const askingForNoKey = {
  caching_sha2_password: authPlugins.caching_sha2_password(refused),
  sha256_password: authPlugins.sha256_password(refused),
}

function connect(options: Options, password: string, tls: TlsOptions | undefined): Promise<Connection> {
  const { host, port, user, database, sslMode } = options
  const settings: ConnectionOptions = {
    ...(host.startsWith('/') ? { socketPath: host } : { host, port }),
    user,
    password,
    ...(database === undefined ? {} : { database }),
    ...(tls ? { ssl: { ...tls, verifyIdentity: sslMode === 'verify-full' } } : {}),
    ...(tls || isOwnHost(host) ? {} : { authPlugins: askingForNoKey }),
    charset: 'utf8mb4',
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    connectTimeout: CONNECT_MS,
    // The bytes as the server writes them: what they mean is said by the column alone.
    typeCast: (field) => field.buffer(),
    // A server must not be able to ask for files of this host.
    flags: ['-LOCAL_FILES'],
    connectAttributes: { program_name: 'drover' },
  }
  const connection = createConnection(settings)
  return new Promise((resolve, reject) => {
    connection.on('error', reject)
    connection.connect((error) => (error ? reject(error) : resolve(connection)))
  })
}

class MysqlSession implements Session {
  private readonly connection: Connection
  private readonly open: () => Promise<Connection>
  private status = 0

  private constructor(connection: Connection, open: () => Promise<Connection>) {
    this.connection = connection
    this.open = open
  }

  static async open(options: Options, password: string, tls: TlsOptions | undefined): Promise<Session> {
    const open = () => connect(options, password, tls)
    const session = new MysqlSession(await open(), open)
    await session.run('do 0', quiet)
    return session
  }

  async transaction(): Promise<'none' | 'open'> {
    // A result set does not say it; this asks for nothing and is answered with the status.
    await this.run('do 0', quiet)
    return this.status & IN_TRANSACTION ? 'open' : 'none'
  }

  split(text: string): Iterable<Statement> {
    return splitMysql(text, () => (this.status & NO_BACKSLASH_ESCAPES) === 0)
  }

  async run(text: string, receiver: Receiver): Promise<string> {
    const { summary, warnings } = await this.query(text, receiver)
    if (warnings > 0) await this.tellWarnings(receiver)
    return summary
  }

  resume(): void {
    this.connection.resume()
  }

  async cancel(): Promise<void> {
    const second = await this.open()
    try {
      await new Promise<void>((resolve, reject) => {
        second.query(`kill query ${this.connection.threadId}`, (error) => (error ? reject(error) : resolve()))
      })
    } finally {
      second.destroy()
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, CLOSE_MS)
      this.connection.end(() => {
        clearTimeout(late)
        resolve()
      })
    })
    this.connection.destroy()
  }

  private query(text: string, receiver: Receiver): Promise<{ summary: string; warnings: number }> {
    const parts: string[] = []
    let warnings = 0
    let rows = -1
    let renderers: ReturnType<typeof renderersOf> = []
    const endSet = () => {
      if (rows >= 0) parts.push(many(rows, 'row'))
      rows = -1
    }
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(toFault(error as DriverError))
      const query = this.connection.query({ sql: text })
      this.connection.once('error', fail)
      query.on('error', fail)
      query.on('fields', (fields: FieldPacket[] | undefined) => {
        endSet()
        if (!fields) return
        rows = 0
        renderers = renderersOf(fields)
        receiver.columns(columnsOf(fields))
      })
      query.on('result', (result) => {
        if (Array.isArray(result)) {
          rows += 1
          receiver.row(renderers.map((render, at) => render(result[at] as Buffer | null)))
          if (receiver.isFull) this.connection.pause()
          return
        }
        const done = result as unknown as Done
        this.status = done.serverStatus
        warnings = done.warningStatus
        parts.push(summaryOf(done))
      })
      query.on('end', () => {
        this.connection.removeListener('error', fail)
        endSet()
        resolve({ summary: parts.join(', '), warnings })
      })
    })
  }

  private async tellWarnings(receiver: Receiver): Promise<void> {
    await this.query(`show warnings limit ${WARNINGS_SHOWN}`, {
      ...quiet,
      row([severity, code, message]) {
        receiver.notice(`${(severity ?? 'Warning').toUpperCase()} ${code}: ${message}`)
      },
    })
  }
}

const quiet: Receiver = { columns() {}, row() {}, raw() {}, notice() {}, isFull: false }

const many = (count: number | string, noun: string) => `${count} ${noun}${String(count) === '1' ? '' : 's'}`

function summaryOf({ affectedRows, info, warningStatus }: Done): string {
  const count = `${many(affectedRows, 'row')} affected`
  const more = [...(info ? [info.trim()] : []), ...(warningStatus ? [many(warningStatus, 'warning')] : [])]
  return [count, ...more].join('; ')
}

function toFault(error: DriverError): SqlFault {
  const { code = '', errno, sqlState, message, fatal } = error
  const isLost = fatal === true || CONNECTION_CODES.test(code)
  const number = errno !== undefined && errno > 0 ? String(errno) : code
  return new SqlFault(message || code, {
    code: sqlState ? `${number} (${sqlState.replace('#', '')})` : number,
    isLost,
    cause: error,
  })
}
