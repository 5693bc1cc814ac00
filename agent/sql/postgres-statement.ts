/** One statement on its way through the simple query protocol of PostgreSQL, with its rows handed on as they come. */
import type { Connection } from 'pg'
import type { Kind } from './format.js'
import { type Receiver, SqlFault } from './session.js'

/** What pg hands to whatever it carries out: its own query class takes the same messages. */
interface Wire extends Connection {
  sendCopyFail(message: string): void
}
interface RowDescription {
  fields: { name: string; dataTypeID: number }[]
}

const BOOL = 16
const JSON_TYPES = [114, 3802]
// int2, int4, oid, float4, float8: bigint and numeric lose digits in most readers of JSON, so they are text.
const NUMBERS = [21, 23, 26, 700, 701]

function kindOf(type: number): Kind {
  if (type === BOOL) return 'boolean'
  if (JSON_TYPES.includes(type)) return 'json'
  return NUMBERS.includes(type) ? 'number' : 'text'
}

export class PostgresStatement {
  /** Settled when the server is ready for the next one, or gone. */
  readonly done: Promise<string>
  private readonly text: string
  private readonly receiver: Receiver
  private readonly tags: string[] = []
  private settle: { resolve(summary: string): void; reject(fault: SqlFault): void } | undefined
  private fault: SqlFault | undefined
  private connection: Wire | undefined

  constructor(text: string, receiver: Receiver) {
    this.text = text
    this.receiver = receiver
    this.done = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
  }

  submit(connection: Connection): void {
    this.connection = connection as Wire
    // After an error pg forgets the query before the server is ready, so this listens for itself.
    connection.once('readyForQuery', () => this.finish())
    connection.query(this.text)
  }

  resume(): void {
    this.connection?.stream.resume()
  }

  handleRowDescription({ fields }: RowDescription): void {
    this.receiver.columns(fields.map(({ name, dataTypeID }) => ({ name, kind: kindOf(dataTypeID) })))
  }

  // Values of the simple protocol are text as the server writes it; pg has decoded them as UTF-8.
  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    this.receiver.row(fields)
    this.holdBack()
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    // pg reuses its buffer for what comes next.
    this.receiver.raw(Buffer.from(chunk))
    this.holdBack()
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.tags.push(text)
  }

  handleEmptyQuery(): void {
    this.tags.push('nothing')
  }

  handlePortalSuspended(): void {}

  handleCopyInResponse(connection: Connection): void {
    const wire = connection as Wire
    wire.sendCopyFail('a script has no input for COPY FROM STDIN: use INSERT, or a file on the server')
  }

  handleReadyForQuery(): void {}

  handleError(error: Error): void {
    this.fault = faultOf(error, this.text)
    if (this.fault.isLost) this.finish()
  }

  holdBack(): void {
    if (this.receiver.isFull) this.connection?.stream.pause()
  }

  private finish(): void {
    if (this.fault) this.settle?.reject(this.fault)
    else this.settle?.resolve(this.tags.join(', '))
  }
}

/** What pg makes of an ErrorResponse; an error without a severity is one of the connection. */
interface DatabaseError extends Error {
  severity?: string
  code?: string
  position?: string
  internalQuery?: string
  detail?: string
  hint?: string
  where?: string
}

/** @param text the statement; none for what fails outside of one */
export function faultOf(error: DatabaseError, text?: string): SqlFault {
  const { severity, code = '', position, detail, hint, where } = error
  const notes = [
    ...(detail ? [`DETAIL: ${detail}`] : []),
    ...(hint ? [`HINT: ${hint}`] : []),
    ...(where ? [`CONTEXT: ${where}`] : []),
  ]
  const at = position === undefined || text === undefined ? undefined : offsetOf(text, Number(position))
  const isLost = severity === undefined || severity === 'FATAL' || severity === 'PANIC'
  return new SqlFault(error.message, { code, at, notes, isLost, cause: error })
}

/** Positions count characters from 1; a character outside of the first plane is two of ours. */
function offsetOf(text: string, position: number): number {
  let offset = 0
  for (let n = 1; n < position && offset < text.length; n++) {
    offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1
  }
  return offset
}
