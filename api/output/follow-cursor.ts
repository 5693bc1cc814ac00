/** The id of a follow stream's events: how far each host was told, so that a client that returns misses and repeats nothing. */
import { hostStates, type HostState } from '../../domain/host-result.js'
import { PlatformError } from '../../domain/errors.js'

/** How far one host of one step was told. */
export interface Told {
  attempt: number
  /** The last state that was told; undefined before the first. */
  state: HostState | undefined
  stdout: number
  stderr: number
  /** Nothing of this attempt is left to tell. */
  done: boolean
}

/** By `stepPosition/position`. */
export type FollowState = Map<string, Told>

const VERSION = 1

/** Numbers in seven-bit groups: a header may carry a thousand hosts. */
export function encodeFollowCursor(state: FollowState): string {
  const bytes: number[] = []
  const put = (value: number) => {
    let rest = value
    while (rest >= 128) {
      bytes.push((rest % 128) | 128)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
  }
  put(VERSION)
  for (const [key, told] of state) {
    for (const part of key.split('/')) put(Number(part))
    put(told.attempt)
    put((told.state === undefined ? 0 : hostStates.indexOf(told.state) + 1) * 2 + (told.done ? 1 : 0))
    put(told.stdout)
    put(told.stderr)
  }
  return Buffer.from(bytes).toString('base64url')
}

/** @throws PlatformError cursor_invalid */
export function decodeFollowCursor(cursor: string): FollowState {
  const numbers = readNumbers(Buffer.from(cursor, 'base64url'))
  const state: FollowState = new Map()
  if (numbers?.[0] !== VERSION || (numbers.length - 1) % 6) throw invalid()
  for (let i = 1; i < numbers.length; i += 6) {
    const [step = 0, position = 0, attempt = 0, flags = 0, stdout = 0, stderr = 0] = numbers.slice(i, i + 6)
    const index = Math.floor(flags / 2)
    if (index > hostStates.length) throw invalid()
    state.set(`${step}/${position}`, {
      attempt,
      state: hostStates[index - 1],
      stdout,
      stderr,
      done: flags % 2 === 1,
    })
  }
  return state
}

function readNumbers(bytes: Buffer): number[] | undefined {
  const numbers: number[] = []
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte & 127) * scale
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    if (byte & 128) {
      scale *= 128
      continue
    }
    numbers.push(value)
    value = 0
    scale = 1
  }
  return scale === 1 ? numbers : undefined
}

function invalid(): PlatformError {
  return new PlatformError(
    'cursor_invalid',
    'Last-Event-ID is not the id of an event of this stream; leave it out to begin anew',
  )
}
