/** What a person sees of a start: a line per part with its time, then where everything is. */
import { styleText } from 'node:util'

const tones = { good: 'green', bad: 'red', quiet: 'dim', strong: 'bold' } as const

/** Coloured where the terminal shows colours. */
export function tone(name: keyof typeof tones, text: string): string {
  return process.stdout.hasColors?.() ? styleText(tones[name], text) : text
}

export function say(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** One line for a part that is ready. */
export function sayReady(part: string, ms: number): void {
  say(`  ${tone('good', '✓')} ${part.padEnd(12)} ${tone('quiet', `${(ms / 1000).toFixed(1)} s`)}`)
}

/** A table of two columns. */
export function sayFacts(facts: Record<string, string>): void {
  const width = Math.max(...Object.keys(facts).map((name) => name.length))
  for (const [name, value] of Object.entries(facts)) say(`  ${name.padEnd(width)}  ${value}`)
}

/** Ends the program with a fault that a person can mend: no stack trace unless it is a bug. */
export function fail(error: unknown): void {
  const known = error instanceof Error && ['ServerError', 'ChildError', 'UsageError'].includes(error.name)
  const text = known
    ? (error as Error).message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error)
  process.stderr.write(`${tone('bad', 'error')} ${text}\n`)
  process.exitCode = 1
}

export class UsageError extends Error {
  override name = 'UsageError'
}

/** A whole number from the command line. Throws UsageError. */
export function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= max) return value
  throw new UsageError(`--${option} must be a whole number from 0 to ${max}, not "${text}"`)
}
