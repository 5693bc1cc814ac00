/**
 * The SQL runner: what a host's agent starts for an SQL step. It is a bundle of its own, so that the agent carries no
 * database driver. Rows go to stdout; counts, notices and errors to stderr; the exit code is 0 only if all went well.
 */
import { readFileSync } from 'node:fs'
import { openMysql } from './mysql.js'
import { type Options, readOptions, UsageError } from './options.js'
import { openPostgres } from './postgres.js'
import { EXIT, runStatements } from './run-statements.js'
import { ResultText } from './format.js'
import { type Receiver, type Session, SqlFault } from './session.js'
import { Sink } from './sink.js'

const STDOUT = 1
const STDERR = 2
/** 128 + SIGTERM, as a shell reports it. */
const STOPPED = 143
/** What a cancelled statement may take to end: less than the shortest usual grace. */
const STOP_MS = 4_000

class Runner {
  private readonly out = new Sink(STDOUT, () => this.stop())
  private readonly err = new Sink(STDERR, () => this.stop())
  private session: Session | undefined
  private stopping = false

  constructor() {
    for (const sink of [this.out, this.err]) {
      sink.onDrain = () => {
        if (!this.out.isFull && !this.err.isFull) this.session?.resume()
      }
    }
  }

  /** Ends what runs, on the server too. */
  stop(): void {
    if (this.stopping) return
    this.stopping = true
    if (!this.session) return void this.leave(STOPPED)
    setTimeout(() => void this.leave(STOPPED), STOP_MS)
    this.say('stopped: the statement is being cancelled on the server')
    this.session
      .cancel()
      .catch((error: Error) => this.say(`the server could not be asked to cancel: ${error.message}`))
    // A session that is held back would never read its end.
    this.session.resume()
  }

  async run(options: Options): Promise<number> {
    const text = readFileSync(options.script, 'utf8').replace(/^\uFEFF/, '')
    const password = readPassword(options.passwordFile)
    const open = options.engine === 'mysql' ? openMysql : openPostgres
    try {
      this.session = await open(options, password)
    } catch (error) {
      if (!(error instanceof SqlFault)) throw error
      const { host, port, user } = options
      this.say(
        `no connection to ${options.engine} at ${host}:${port} as ${user}: ERROR ${error.code}: ${error.message}`,
      )
      for (const note of error.notes) this.say(`  ${note}`)
      return EXIT.noConnection
    }
    const { session } = this
    const results = new ResultText(options.format)
    const code = await runStatements({
      session,
      text,
      options,
      receiver: (number) => this.receiver(number, results),
      say: (line) => this.say(line),
      isStopping: () => this.stopping,
    })
    await session.close()
    return this.stopping ? STOPPED : code
  }

  say(line: string): void {
    this.err.write(`${line}\n`)
  }

  /** Writes what is left and ends the process, whatever is still open. */
  async leave(code: number): Promise<never> {
    const late = setTimeout(() => process.exit(code), 1_000)
    await Promise.all([this.out.flushed(), this.err.flushed()])
    clearTimeout(late)
    process.exit(code)
  }

  private receiver(number: number, results: ResultText): Receiver {
    const { out, err } = this
    const isStopping = () => this.stopping
    return {
      columns: (columns) => out.write(results.begin(columns)),
      // What still comes after a cancel is read and dropped, so that the end is reached.
      row: (values) => (isStopping() ? undefined : out.write(results.row(values))),
      raw: (bytes) => (isStopping() ? undefined : out.write(bytes)),
      notice: (text) => this.say(`statement ${number}: ${text}`),
      get isFull() {
        return !isStopping() && (out.isFull || err.isFull)
      },
    }
  }
}

/** The line end that editors leave is not a part of it. */
function readPassword(file: string | undefined): string {
  if (file === undefined) return ''
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    // Without it an account that needs none here would be taken for the one that was meant.
    throw new UsageError(`the file with the password cannot be read: ${(error as Error).message}`)
  }
}

async function main(words: string[]): Promise<never> {
  const runner = new Runner()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => runner.stop())
  try {
    return await runner.leave(await runner.run(readOptions(words)))
  } catch (error) {
    runner.say(explain(error as Error))
    return runner.leave(error instanceof UsageError ? EXIT.usage : EXIT.noConnection)
  }
}

function explain(error: Error): string {
  if (error instanceof UsageError) return `usage: ${error.message}`
  if (error instanceof SqlFault) return `ERROR ${error.code}: ${error.message}`
  return `the runner failed: ${error.stack}`
}

void main(process.argv.slice(2))
