/** Where the CLI writes: data to standard output, talk to standard error, colour only for a person. */

type Tone = 'good' | 'bad' | 'quiet' | 'strong' | 'warn'

const codes: Record<Tone, string> = { good: '32', bad: '31', quiet: '2', strong: '1', warn: '33' }

export interface Terminal {
  /** Whether a person looks at standard output. */
  interactive: boolean
  /** A line of data. */
  data(line: string): void
  /** Data without a line break after it. */
  raw(bytes: Uint8Array | string): void
  /** One JSON object: everything that a command has to say, for a program. */
  json(value: unknown): void
  /** A line for a person. */
  talk(line: string): void
  /** A line that the next one replaces; only where standard error is a terminal. */
  progress(line: string): void
  /** `text` in a tone on standard output. */
  tone(tone: Tone, text: string): string
}

export function createTerminal(env: Record<string, string | undefined>): Terminal {
  const plain = Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb'
  let shown = false
  const clear = () => {
    if (shown) process.stderr.write('\r\x1b[K')
    shown = false
  }
  return {
    interactive: process.stdout.isTTY === true,
    data(line) {
      clear()
      process.stdout.write(`${line}\n`)
    },
    raw(bytes) {
      clear()
      process.stdout.write(bytes)
    },
    json(value) {
      clear()
      process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
    },
    talk(line) {
      clear()
      process.stderr.write(`${line}\n`)
    },
    progress(line) {
      if (process.stderr.isTTY !== true) return
      clear()
      process.stderr.write(line.slice(0, (process.stderr.columns ?? 80) - 1))
      shown = true
    },
    tone(tone, text) {
      return plain || process.stdout.isTTY !== true ? text : `\x1b[${codes[tone]}m${text}\x1b[0m`
    },
  }
}

/** Lines of texts that others wrote: for a person without what would drive the terminal, for a program as they are. */
export function printLines(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.data(terminal.interactive ? harmless(line) : line)
}

/** Control characters made visible, except line breaks and tabs: a host's output must not drive the operator's terminal. */
export function harmless(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (char) =>
    char === '\r' ? '' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
