/** What the runner asks of a database, whichever it is. */
import type { Column, Value } from './format.js'
import type { Statement } from './statement.js'

/** Why a statement, or the connection, failed. */
export class SqlFault extends Error {
  override name = 'SqlFault'
  /** SQLSTATE, or the engine's number with it. */
  readonly code: string
  /** Where in the statement, counted in UTF-16 units from 0, if the server said. */
  readonly at: number | undefined
  /** DETAIL, HINT and what else the server added, each a line. */
  readonly notes: string[]
  /** Whether the connection is gone. */
  readonly isLost: boolean

  constructor(
    message: string,
    more: {
      code?: string
      at?: number | undefined
      notes?: string[]
      isLost?: boolean
      cause?: unknown
    } = {},
  ) {
    super(message, more.cause === undefined ? {} : { cause: more.cause })
    this.code = more.code ?? ''
    this.at = more.at
    this.notes = more.notes ?? []
    this.isLost = more.isLost ?? false
  }
}

/** Takes in what a statement gives, as it comes. */
export interface Receiver {
  columns(columns: Column[]): void
  row(values: readonly Value[]): void
  /** Bytes as they are: what COPY … TO STDOUT gives. */
  raw(bytes: Buffer): void
  /** A notice or a warning. */
  notice(text: string): void
  /** Whether the session should stop reading until it is told to go on. */
  readonly isFull: boolean
}

export interface Session {
  /** `none`, `open`, or `failed`: only a rollback helps. Undefined where the server does not say. */
  transaction(): Promise<'none' | 'open' | 'failed'>
  split(text: string): Iterable<Statement>
  /** @returns what the server says of it, as `SELECT 3`. @throws SqlFault */
  run(text: string, receiver: Receiver): Promise<string>
  /** Goes on reading. */
  resume(): void
  /** Asks the server to end the statement that runs. @throws if it could not be asked */
  cancel(): Promise<void>
  /** Ends the session well, within a moment. */
  close(): Promise<void>
}
