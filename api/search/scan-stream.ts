/** Reads one stream of one host piece by piece, and tells the matches of each. */
import { setImmediate } from 'node:timers/promises'
import type { OutputLog, StreamKey } from '../../store/log/output.js'
import { LineFinder, type Match, type Place } from './line-finder.js'
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
    yield { matches: finder.push(bytes), place: finder.place, bytes: bytes.length }
    // What is read ahead comes without a turn of the event loop; others wait for one.
    await setImmediate()
  }
  yield { matches: finder.end(), place: finder.place, bytes: 0 }
}
