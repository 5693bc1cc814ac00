/** The value of a secret: from a prompt without an echo, a file or standard input; never from the command line, which everybody can read. */
import { readFileSync } from 'node:fs'
import { UsageError } from './fail.js'

const INTERRUPT = '\u0003'
const END = '\u0004'
const DELETE = '\u007f'

/**
 * @param file `-` is standard input; undefined asks whoever sits at the terminal
 * @throws UsageError
 */
export async function readSecretValue(name: string, file: string | undefined): Promise<string> {
  if (file !== undefined || !process.stdin.isTTY) return readSecretFile(file ?? '-')
  const value = await askHidden(`value of ${name}: `)
  if ((await askHidden('the same again: ')) !== value) throw new UsageError('the two are not the same')
  if (!value) throw new UsageError('nothing was typed')
  return value
}

/** Byte for byte, the line break at its end too: what a file says is what the script gets. `-` is standard input. @throws UsageError */
export function readSecretFile(file: string): string {
  const of = file === '-' ? 'standard input' : file
  let bytes: Buffer
  try {
    bytes = readFileSync(file === '-' ? 0 : file)
  } catch (error) {
    throw new UsageError(`cannot read the value from ${of}: ${(error as Error).message}`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new UsageError(
      `the value in ${of} is not UTF-8: encode it, as base64, and let the script decode it`,
    )
  }
}

function askHidden(question: string): Promise<string> {
  const { stdin, stderr } = process
  // First of all, so that nothing that is typed at the question is shown.
  stdin.setRawMode(true)
  stderr.write(question)
  stdin.setEncoding('utf8')
  stdin.resume()
  return new Promise((resolve, reject) => {
    let typed = ''
    const done = (rest: string, finish: () => void) => {
      stdin.off('data', take)
      stdin.pause()
      // What was pasted behind it is for the next question.
      if (rest) stdin.unshift(rest)
      stdin.setRawMode(false)
      stderr.write('\n')
      finish()
    }
    const take = (text: string) => {
      let read = 0
      for (const char of text) {
        read += char.length
        const rest = text.slice(read)
        if (char === '\r' || char === '\n' || char === END) return done(rest, () => resolve(typed))
        if (char === INTERRUPT) return done('', () => reject(new UsageError('interrupted')))
        typed = char === DELETE || char === '\b' ? typed.slice(0, -1) : typed + char
      }
    }
    stdin.on('data', take)
  })
}
