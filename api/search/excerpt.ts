/** A match as people read it: its own text between some of what stands around it. */
import type { Match } from './line-finder.js'

const BEFORE_BYTES = 160
const MATCH_BYTES = 400
const AFTER_BYTES = 240

export interface Excerpt {
  before: string
  match: string
  after: string
}

/** Bytes that are no UTF-8 become U+FFFD. What is longer than the limits is cut, the match at its end. */
export function excerptOf({ offset, length, text, textOffset }: Match): Excerpt {
  const from = offset - textOffset
  const to = from + length
  return {
    before: text.toString('utf8', characterStart(text, Math.max(0, from - BEFORE_BYTES)), from),
    match: text.toString('utf8', from, characterStart(text, Math.min(to, from + MATCH_BYTES))),
    after: text.toString('utf8', to, characterStart(text, Math.min(text.length, to + AFTER_BYTES))),
  }
}

/** The first place from `at` on that is not within a character. */
function characterStart(bytes: Buffer, at: number): number {
  let start = at
  while (start < bytes.length && start < at + 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++
  return start
}
