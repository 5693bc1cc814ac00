/** Statements of an SQL text: what a splitter finds, one after another. */

export interface Statement {
  /** Without the delimiter that ends it, and without what stands before its first word. */
  text: string
  /** Where `text` begins in the whole. */
  offset: number
}

/** Line and column, both from 1, of an offset into a text. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  let line = 1
  let start = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1
    start = at + 1
  }
  return { line, column: offset - start + 1 }
}

/** The end of what begins at `from` and ends with `end`; the end of the text where it is missing. */
export function endOf(text: string, end: string, from: number): number {
  const at = text.indexOf(end, from)
  return at < 0 ? text.length : at + end.length
}

/**
 * The end of a quoted piece whose first quote stands at `at`. A doubled quote needs no care: it ends one piece and begins the next.
 * @param escapes whether a backslash takes the character after it
 */
export function endOfQuoted(text: string, at: number, escapes: boolean): number {
  const quote = text[at]
  for (let next = at + 1; next < text.length; next++) {
    if (escapes && text[next] === '\\') next += 1
    else if (text[next] === quote) return next + 1
  }
  return text.length
}
