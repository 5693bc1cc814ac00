/** What chance decides for a start: the same for the same seed, host and count of starts, so that a run can be repeated. */
import { createHash } from 'node:crypto'
import type { Group } from './groups.js'

export interface Draw {
  fails: boolean
  latencyMs: number
  /** A line that no other start writes, without the time at its begin. */
  noise?: string
}

/**
 * @param hostName as `web-00001`
 * @param count how many starts this host had before
 */
export function drawStart(seed: number, hostName: string, count: number, group: Group): Draw {
  const random = chance(seed, `start/${hostName}/${count}`)
  const { min, max } = group.latencyMs
  const draw = { fails: random(0) < group.fail, latencyMs: min + random(1) * (max - min) }
  if (!group.noise) return draw
  const id = [8, 4, 4, 4, 12].map((length, n) => digits(random(n % 4), length)).join('-')
  return { ...draw, noise: `${hostName} task[${1 + Math.floor(random(2) * 99_999)}]: request ${id}` }
}

/** How long the n-th session of a host lasts, ms: exponential, as failures that know nothing of each other are. */
export function drawSession(seed: number, hostName: string, count: number, meanMs: number): number {
  return -Math.log(1 - chance(seed, `session/${hostName}/${count}`)(0)) * meanMs
}

/** Numbers in [0, 1) by position; four at most. */
function chance(seed: number, what: string): (position: number) => number {
  const digest = createHash('sha256').update(`${seed}/${what}`).digest()
  return (position) => digest.readUIntBE(position * 6, 6) / 2 ** 48
}

const digits = (number: number, length: number) =>
  Math.floor(number * 2 ** 48)
    .toString(16)
    .padStart(12, '0')
    .slice(-length)
