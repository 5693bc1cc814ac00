/** Where a search goes on: the stream of a host of a step, and a place in it. */
import { decodeCursor, encodeCursor } from '../paging.js'
import type { Place } from './line-finder.js'

export const streams = ['stdout', 'stderr'] as const

export interface SearchPlace extends Place {
  /** Position of the step, from 0. */
  step: number
  /** Position of the host in the step's target. */
  host: number
  /** Which the place is in; of another one the host is searched anew. */
  attempt: number
  /** Its place in `streams`. */
  stream: number
  /** Lines of this host that matched before. */
  lines: number
}

interface HostPlace {
  stepPosition: number
  position: number
  attempt: number
}

/** Where the output of a host begins. */
export function beginOf({ stepPosition, position, attempt }: HostPlace): SearchPlace {
  return { step: stepPosition, host: position, attempt, stream: 0, offset: 0, line: 1, lines: 0 }
}

/** Where the hosts behind one begin; whether there are any is told by looking. */
export function afterHost(host: HostPlace): SearchPlace {
  return { ...beginOf(host), host: host.position + 1, attempt: 0 }
}

const KIND = 'search'
const FORM = /^\d{1,4}\.\d{1,6}\.\d{1,6}\.[01](\.\d{1,15}){3}$/

export function encodePlace({ step, host, attempt, stream, offset, line, lines }: SearchPlace): string {
  return encodeCursor(KIND, [step, host, attempt, stream, offset, line, lines].join('.'))
}

/** @throws PlatformError cursor_invalid */
export function decodePlace(cursor: string | undefined): SearchPlace {
  const text = decodeCursor(KIND, cursor, (position) => FORM.test(position))
  const [step = 0, host = 0, attempt = 0, stream = 0, offset = 0, line = 1, lines = 0] =
    text?.split('.').map(Number) ?? []
  return { step, host, attempt, stream, offset, line, lines }
}
