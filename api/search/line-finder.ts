/** Finds the lines that match in a stream of bytes, whose pieces may end anywhere. */
import type { Pattern } from './pattern.js'

/** A line that matches: its first match. */
export interface Match {
  /** From 1. */
  line: number
  /** Of the match's first byte, in the stream. */
  offset: number
  /** Of the match, bytes. */
  length: number
  /** The line without its break, or a piece of a very long one. */
  text: Buffer
  /** Of the first byte of `text`, in the stream. */
  textOffset: number
  /** Where to go on behind it. */
  next: Place
}

/** A place in a stream where a line begins, or a piece of a very long one. */
export interface Place {
  offset: number
  /** Of the line there, from 1. */
  line: number
}

/** A longer line is searched in pieces of this length, each of which tells its own first match. */
export const PIECE_BYTES = 16 * 1024
/** Two pieces of a line share this much, so that nothing shorter is missed where they meet. */
const OVERLAP_BYTES = 1024

const LINE_BREAK = 10
const RETURN = 13

export class LineFinder {
  private readonly pattern: Pattern
  private rest: Buffer = Buffer.alloc(0)
  private at: Place
  /** The byte before a piece that does not begin its line: what binds to the begin of a line must see that there is more. */
  private before: Buffer | undefined

  constructor(pattern: Pattern, from: Place) {
    this.pattern = pattern
    this.at = from
  }

  /** Up to where everything was told. */
  get place(): Place {
    return this.at
  }

  /** What the next bytes of the stream complete. @param bytes few: all of them are looked at in one go */
  push(bytes: Buffer): Match[] {
    this.rest = this.rest.length ? Buffer.concat([this.rest, bytes]) : bytes
    const matches = this.takeLines()
    while (this.rest.length > PIECE_BYTES) matches.push(...this.takePiece())
    return matches
  }

  /** The last line, which no break ends. */
  end(): Match[] {
    return this.rest.length ? this.take(this.rest.length, this.at.line) : []
  }

  private takeLines(): Match[] {
    const end = this.rest.lastIndexOf(LINE_BREAK) + 1
    if (!end) return []
    if (!this.before && !this.pattern.mayMatch(this.rest.subarray(0, end))) {
      this.skip(end, this.at.line + countBreaks(this.rest, end))
      return []
    }
    const matches: Match[] = []
    let length = this.rest.indexOf(LINE_BREAK) + 1
    for (; length; length = this.rest.indexOf(LINE_BREAK) + 1) {
      // A whole line may be longer than a piece, too: what it was searched in must not hang on how its bytes came.
      if (length > PIECE_BYTES) matches.push(...this.takePiece())
      else matches.push(...this.take(length, this.at.line + 1))
    }
    return matches
  }

  /** A match that begins where the next piece begins, or later, is that one's. */
  private takePiece(): Match[] {
    const own = PIECE_BYTES - OVERLAP_BYTES
    const last = this.rest.subarray(own - 1, own)
    const [match] = this.find(this.rest.subarray(0, PIECE_BYTES))
    const next = this.skip(own, this.at.line)
    this.before = last
    return match && match.offset < next.offset ? [{ ...match, next }] : []
  }

  /** @param line number of the line behind it */
  private take(length: number, line: number): Match[] {
    const broken = this.rest[length - 1] === LINE_BREAK ? 1 : 0
    const returned = this.rest[length - 1 - broken] === RETURN && broken ? 1 : 0
    const matches = this.find(this.rest.subarray(0, length - broken - returned))
    const next = this.skip(length, line)
    this.before = undefined
    return matches.map((match) => ({ ...match, next }))
  }

  private find(text: Buffer): Omit<Match, 'next'>[] {
    const context = this.before?.length ?? 0
    const span = this.pattern.find(this.before ? Buffer.concat([this.before, text]) : text, context)
    if (!span) return []
    const { offset, line } = this.at
    const from = span.from - context
    return [{ line, offset: offset + from, length: span.to - span.from, text, textOffset: offset }]
  }

  private skip(length: number, line: number): Place {
    this.rest = this.rest.subarray(length)
    this.at = { offset: this.at.offset + length, line }
    return this.at
  }
}

function countBreaks(bytes: Buffer, end: number): number {
  let breaks = 0
  for (let at = bytes.indexOf(LINE_BREAK); at >= 0 && at < end; at = bytes.indexOf(LINE_BREAK, at + 1))
    breaks++
  return breaks
}
