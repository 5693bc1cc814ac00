/** Searches what one host wrote in a step: standard output, then standard error. */
import { isFinalHostState } from '../../domain/host-result.js'
import type { OutputLog } from '../../store/log/output.js'
import type { FollowedHost } from '../../store/postgres/follow.js'
import { saidBytes, streamKey } from '../output/stream-end.js'
import { type SearchPlace, streams } from './cursor.js'
import type { Match } from './line-finder.js'
import type { Pattern } from './pattern.js'
import { scanStream } from './scan-stream.js'

export interface Found extends Match {
  /** Its place in `streams`. */
  stream: number
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
  left: Pick<SearchPlace, 'stream' | 'offset' | 'line'> | undefined
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
  over(): boolean
}

export async function scanHost(
  host: FollowedHost,
  from: Pick<SearchPlace, 'stream' | 'offset' | 'line' | 'lines'>,
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
      if (keep) result.found.push(...scanned.matches.map((match) => ({ ...match, stream })))
      if (over() || (keep && result.found.length >= keep))
        return { ...result, left: { stream, ...scanned.place } }
    }
  }
  return result
}
