/** What a process takes: resident memory and processor time, as /proc tells it. */
import { readFileSync } from 'node:fs'
import { pause } from '../helpers/api'
import { familyOf } from '../helpers/family'

// USER_HZ is 100 on every Linux port that Node runs on.
const TICKS_PER_SECOND = 100

/** MiB */
export function residentMb(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(found?.[1]) / 1024
}

/** Seconds of processor time since the process began. */
export function cpuSeconds(pid: number): number {
  const [user, system] = timesOf(pid)
  return user + system
}

/** Seconds of processor time of all that it has started and that has ended. */
export function cpuSecondsOfEnded(pid: number): number {
  const [, , user, system] = timesOf(pid)
  return user + system
}

/** utime, stime, cutime, cstime in seconds. */
function timesOf(pid: number): [number, number, number, number] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const seconds = (index: number) => Number(fields[index]) / TICKS_PER_SECOND
  return [seconds(11), seconds(12), seconds(13), seconds(14)]
}

/** Of a process and all that it has started. */
export function cpuSecondsOfTree(pid: number): number {
  return familyOf(pid).reduce((sum, relative) => {
    try {
      return sum + cpuSeconds(relative.pid)
    } catch {
      // Ended between the two looks.
      return sum
    }
  }, 0)
}

/** Percent of one core over so long. */
export async function cpuPercent(pid: number, seconds: number): Promise<number> {
  const from = { cpu: cpuSeconds(pid), at: performance.now() }
  await pause(seconds * 1_000)
  return ((cpuSeconds(pid) - from.cpu) / (performance.now() - from.at)) * 100_000
}

/** How far memory rose over what it was at the begin, MiB, looked at ten times a second until the work is done. */
export async function highWater<T>(
  pids: Record<string, number>,
  work: Promise<T>,
): Promise<{ result: T; roseMb: Record<string, number> }> {
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, residentMb(pid)]))
  const roseMb = Object.fromEntries(Object.keys(pids).map((name) => [name, 0]))
  const timer = setInterval(() => {
    for (const [name, pid] of Object.entries(pids))
      roseMb[name] = Math.max(roseMb[name] ?? 0, residentMb(pid) - (before[name] ?? 0))
  }, 100)
  try {
    return { result: await work, roseMb }
  } finally {
    clearInterval(timer)
  }
}
