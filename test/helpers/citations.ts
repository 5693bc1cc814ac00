/** Pages of docs that name tests: `file` "name of a test or of a group". */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(__dirname, '../..')

/** [file, name] of every test that a text names. */
export function citationsIn(text: string): (readonly [string, string])[] {
  return [...text.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(
    ([, file = '', name = '']) => [file, name] as const,
  )
}

/** Whether the file has a test or a group of that name, not just the words in passing. */
export function hasTest(file: string, name: string): boolean {
  const tests = readFileSync(join(root, file), 'utf8')
  return ["'", '"', '`'].some((quote) =>
    tests.includes(`${quote}${name.replaceAll(quote, `\\${quote}`)}${quote}`),
  )
}
