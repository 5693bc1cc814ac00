/** Reads one stream of one host, and tells the matches of a few bytes at a time. */
import { setImmediate } from 'node:timers/promises'
import type { OutputLog, StreamKey } from '../../store/log/output.js'
import { LineFinder, type Match, PIECE_BYTES, type Place } from './line-finder.js'
import type { Pattern } from './pattern.js'

export interface Scanned {
  matches: Match[]
  /** Up to where everything was told. */
  place: Place
  /** Bytes that were read for it. */
  bytes: number
}

/** @param to bytes of the stream, where they are known */
export async function* scanStream(
  log: OutputLog,
  { key, from, to }: { key: StreamKey; from: Place; to: number | undefined },
  pattern: Pattern,
): AsyncGenerator<Scanned> {
  const finder = new LineFinder(pattern, from)
  for await (const bytes of log.read(key, from.offset, to)) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await myTurn()
      const part = bytes.subarray(at, at + PIECE_BYTES)
      yield { matches: finder.push(part), place: finder.place, bytes: part.length }
    }
  }
  yield { matches: finder.end(), place: finder.place, bytes: 0 }
}

let last: Promise<unknown> = Promise.resolve()

/**
 * All searches of the process take turns, one in each round of the event loop: whatever is searched for, everybody else is
 * served in between.
 */
function myTurn(): Promise<unknown> {
  last = last.then(() => setImmediate())
  return last
}
