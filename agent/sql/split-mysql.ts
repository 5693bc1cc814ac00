/** Statements of a MySQL or MariaDB script, split as their command line client does, `delimiter` lines included. */
import { endOf, endOfQuoted, type Statement } from './statement.js'

const delimiterLine = /delimiter(?:[ \t]+([^\s]+))?[^\n]*/iy

/**
 * The statements of `text`, each found when it is asked for.
 * @param escapes whether a backslash in '…' takes the next character, asked each time: a statement may change the mode
 */
export function* splitMysql(text: string, escapes: () => boolean): Generator<Statement> {
  let delimiter = ';'
  for (let from = 0; ; ) {
    const begin = skipBlank(text, from)
    if (begin >= text.length) return
    delimiterLine.lastIndex = begin
    const line = delimiterLine.exec(text)
    if (line?.[1] !== undefined) {
      delimiter = line[1]
      from = delimiterLine.lastIndex
      continue
    }
    const end = findEnd(text, begin, { delimiter, escapes: escapes() })
    const statement = text.slice(begin, end).trimEnd()
    if (statement) yield { text: statement, offset: begin }
    from = end + delimiter.length
  }
}

// `--` is a comment only before white space or at the end.
const isDashes = (text: string, at: number) => text.startsWith('--', at) && !/[^\s]/.test(text[at + 2] ?? ' ')
/** Comments whose text the server carries out. */
const isCode = (text: string, at: number) => /^\/\*M?!/.test(text.slice(at, at + 4))

/** Past white space and comments that nobody carries out. */
function skipBlank(text: string, from: number): number {
  for (let at = from; at < text.length; ) {
    if (/\s/.test(text[at] ?? '')) at += 1
    else if (text[at] === '#' || isDashes(text, at)) at = endOf(text, '\n', at)
    else if (text.startsWith('/*', at) && !isCode(text, at)) at = endOf(text, '*/', at + 2)
    else return at
  }
  return text.length
}

function findEnd(text: string, begin: number, mode: { delimiter: string; escapes: boolean }): number {
  for (let at = begin; at < text.length; ) {
    const next = text[at] ?? ''
    if (text.startsWith(mode.delimiter, at)) return at
    if (next === "'" || next === '"') at = endOfQuoted(text, at, mode.escapes)
    else if (next === '`') at = endOfQuoted(text, at, false)
    else if (next === '#' || isDashes(text, at)) at = endOf(text, '\n', at)
    else if (text.startsWith('/*', at))
      at = isCode(text, at) ? endOfCode(text, at, mode) : endOf(text, '*/', at + 2)
    else at += 1
  }
  return text.length
}

/** Strings in such a comment may hold what would end it. */
function endOfCode(text: string, begin: number, mode: { escapes: boolean }): number {
  for (let at = begin + 3; at < text.length; ) {
    const next = text[at] ?? ''
    if (text.startsWith('*/', at)) return at + 2
    if (next === "'" || next === '"' || next === '`') at = endOfQuoted(text, at, next !== '`' && mode.escapes)
    else at += 1
  }
  return text.length
}
