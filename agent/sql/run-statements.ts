/** Carries a script's statements out, one after another, and says what became of each. */
import type { Options } from './options.js'
import { type Receiver, type Session, SqlFault } from './session.js'
import { placeOf, type Statement } from './statement.js'

export interface Run {
  session: Session
  text: string
  options: Pick<Options, 'onError' | 'transaction'>
  /** Receives what the statement of that number gives. */
  receiver(number: number): Receiver
  /** A line for whoever reads the run. */
  say: (line: string) => void
  /** Whether the run is being ended: no further statement begins. */
  isStopping(): boolean
}

export const EXIT = { ok: 0, failed: 1, noConnection: 2, usage: 64 } as const

/** @returns the exit code */
export async function runStatements(run: Run): Promise<number> {
  const { session, options, say } = run
  if (options.transaction) await session.run('begin', run.receiver(0))
  const outcome = await runAll(run)
  if (outcome === 'lost' || run.isStopping()) return outcome === 'lost' ? EXIT.noConnection : EXIT.failed
  const state = await session.transaction()
  if (state === 'none') return outcome === 'done' ? EXIT.ok : EXIT.failed
  if (options.transaction && outcome === 'done' && state === 'open') return commit(run)
  await session.run('rollback', run.receiver(0))
  if (options.transaction) say('rolled back: nothing of the script is kept')
  else say('the script left a transaction open: it is rolled back')
  return EXIT.failed
}

async function runAll(run: Run): Promise<'done' | 'failed' | 'lost'> {
  let number = 0
  let outcome: 'done' | 'failed' = 'done'
  for (const statement of run.session.split(run.text)) {
    if (run.isStopping()) return 'failed'
    number += 1
    const fault = await runOne(run, statement, number)
    if (!fault) continue
    outcome = 'failed'
    if (fault.isLost) return 'lost'
    if (run.options.onError === 'stop') return outcome
  }
  return outcome
}

async function runOne(run: Run, statement: Statement, number: number): Promise<SqlFault | undefined> {
  const { session, text, say } = run
  try {
    const summary = await session.run(statement.text, run.receiver(number))
    say(`statement ${number}: ${summary}`)
    if (!run.options.transaction || (await session.transaction()) !== 'none') return undefined
    const { line } = placeOf(text, statement.offset)
    const message =
      'it ended the transaction of the whole script (COMMIT, ROLLBACK, or what commits by itself): what was done up to here cannot be taken back'
    throw new SqlFault(`${message} (line ${line})`)
  } catch (error) {
    if (!(error instanceof SqlFault)) throw error
    say(describe(error, { text, statement, number }))
    for (const note of error.notes) say(`  ${note}`)
    return error
  }
}

function describe(fault: SqlFault, at: { text: string; statement: Statement; number: number }): string {
  const { line, column } = placeOf(at.text, at.statement.offset + (fault.at ?? 0))
  const place = fault.at === undefined ? `line ${line}` : `line ${line}, column ${column}`
  const code = fault.code ? ` ${fault.code}` : ''
  return `statement ${at.number}, ${place}: ERROR${code}: ${fault.message}`
}

async function commit(run: Run): Promise<number> {
  try {
    await run.session.run('commit', run.receiver(0))
    run.say('committed')
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof SqlFault)) throw error
    // A connection that ends in a commit leaves open whether it took place.
    const unknown = error.isLost ? '; whether it took place is not known' : ''
    run.say(`commit: ERROR ${error.code}: ${error.message}${unknown}`)
    return error.isLost ? EXIT.noConnection : EXIT.failed
  }
}
