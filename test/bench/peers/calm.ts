/** Waits until the machine has little to do, so that nobody is measured under somebody else's load. */
import { readFileSync } from 'node:fs'
import { pause } from '../../helpers/api'
import type { Bench } from '../bench'

const WINDOW_MS = 1_000
const CALM_WINDOWS = 3
const BUSY_SHARE = 0.12
const WITHIN_MS = 90_000

/** Ticks of all cores since the start of the machine. */
function ticks(): { busy: number; all: number } {
  const fields = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1, 9)
    .map(Number)
  const all = fields.reduce((sum, value) => sum + value, 0)
  return { all, busy: all - (fields[3] ?? 0) - (fields[4] ?? 0) }
}

/** Resolves when three seconds in a row were calm; says so when that did not come within 90 s, and goes on. */
export async function settle(bench: Bench): Promise<void> {
  let calm = 0
  let share = 1
  for (const until = Date.now() + WITHIN_MS; calm < CALM_WINDOWS && Date.now() < until; ) {
    const from = ticks()
    await pause(WINDOW_MS)
    const now = ticks()
    share = (now.busy - from.busy) / (now.all - from.all)
    calm = share < BUSY_SHARE ? calm + 1 : 0
  }
  if (calm < CALM_WINDOWS)
    bench.say(`! not calm after ${WITHIN_MS / 1_000} s: processors are ${(share * 100).toFixed(0)} % busy`)
}
