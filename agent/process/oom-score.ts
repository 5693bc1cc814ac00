/** Who dies first when memory runs out: a script rather than the agent that watches all of them. */
import { readFileSync, writeFileSync } from 'node:fs'

const FILE = '/proc/self/oom_score_adj'
const PROTECTED = '-500'

/** What this process was started with, once it has changed it. */
let inherited: string | undefined

/** Makes the kernel spare this process; without root nothing happens, and that is no fault. */
export function protectSelf(): void {
  try {
    const before = readFileSync(FILE, 'latin1').trim()
    if (Number(before) <= Number(PROTECTED)) return
    writeFileSync(FILE, PROTECTED)
    inherited = before
  } catch {
    // Not allowed here.
  }
}

/** Runs `start`, which forks: the child is spared no more than this process was at its start. */
export function startUnprotected<T>(start: () => T): T {
  if (inherited === undefined) return start()
  // Always allowed: it only makes this process easier to kill.
  writeFileSync(FILE, inherited)
  try {
    return start()
  } finally {
    try {
      writeFileSync(FILE, PROTECTED)
    } catch {
      // The right to it was taken away meanwhile.
    }
  }
}
