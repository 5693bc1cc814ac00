/** Searches what one host wrote in a step: standard output, then standard error. */
import { isFinalHostState } from '../../domain/host-result.js'
import type { OutputLog } from '../../store/log/output.js'
import type { FollowedHost } from '../../store/postgres/follow.js'
import { saidBytes, streamKey } from '../output/stream-end.js'
import { beginOf, type SearchPlace, streams } from './cursor.js'
import { type Excerpt, excerptOf } from './excerpt.js'
import type { Match, Place } from './line-finder.js'
import type { Pattern } from './pattern.js'
import { scanStream } from './scan-stream.js'

export interface Found extends Pick<Match, 'line' | 'offset'>, Excerpt {
  /** Its place in `streams`. */
  stream: number
  /** Where to go on behind it. */
  next: Place
}

export interface ScannedHost {
  host: FollowedHost
  /** At most `keep`, and some that came with the last of them. */
  found: Found[]
  /** Lines that match, with those before the place it began at. */
  lines: number
  /** Bytes read. */
  bytes: number
  /** Where it stopped; undefined if everything that is kept was searched. */
  left: SearchPlace | undefined
}

/** Whether nothing more can come of it. */
export const hasEnded = ({ host }: ScannedHost) => isFinalHostState(host.state)

export interface HostSearch {
  log: OutputLog
  /** Day of the execution, as output is kept by. */
  day: string
  pattern: Pattern
  /** How many matches are wanted; 0 only counts them. */
  keep: number
  /** True as soon as nobody waits for more. */
  over: () => boolean
}

/** However short the time, it gets further than `from`. */
export async function scanHost(
  host: FollowedHost,
  from: SearchPlace,
  { log, day, pattern, keep, over }: HostSearch,
): Promise<ScannedHost> {
  const result: ScannedHost = { host, found: [], lines: from.lines, bytes: 0, left: undefined }
  for (const [stream, name] of streams.entries()) {
    const said = saidBytes(host, name)
    if (stream < from.stream || said === 0) continue
    const place = stream === from.stream ? from : { offset: 0, line: 1 }
    const to = isFinalHostState(host.state) ? (said ?? undefined) : undefined
    const key = streamKey(day, host.stepExecutionId, host, name)
    for await (const scanned of scanStream(log, { key, from: place, to }, pattern)) {
      result.bytes += scanned.bytes
      result.lines += scanned.matches.length
      if (keep) result.found.push(...scanned.matches.map((match) => foundOf(stream, match)))
      const isFull = keep > 0 && result.found.length >= keep
      const isFurther = scanned.place.offset > place.offset && scanned.bytes > 0
      if (isFull || (isFurther && over()))
        return { ...result, left: { ...beginOf(host), stream, ...scanned.place, lines: result.lines } }
    }
  }
  return result
}

/** Its words at once: it must not hold the bytes that it was found in. */
function foundOf(stream: number, match: Match): Found {
  const { line, offset, next } = match
  return { stream, line, offset, next, ...excerptOf(match) }
}
