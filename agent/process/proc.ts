/** What /proc says of processes: identity as pid and start time, and who carries a task's marker. */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessStat {
  state: string
  group: number
  /** Field 22 of /proc/<pid>/stat, in ticks since boot: with the pid it names one process, however often pids wrap. */
  startTicks: number
}

// USER_HZ, the unit of /proc/<pid>/stat, is 100 on every Linux port that Node runs on.
const MS_PER_TICK = 10

/** Undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  const end = text.lastIndexOf(')')
  if (end < 0) return undefined
  const fields = text.slice(end + 2).split(' ')
  return { state: fields[0] ?? '', group: Number(fields[2]), startTicks: Number(fields[19]) }
}

/** Whether that very process still runs; a zombie has ended. */
export function isRunning(pid: number, startTicks: number): boolean {
  const stat = readStat(pid)
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X'
}

/** Milliseconds since boot; survives restarts of the agent and is not moved by clock steps. */
export function uptimeMs(): number {
  return Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000)
}

export function ticksToMs(ticks: number): number {
  return ticks * MS_PER_TICK
}

/**
 * The variables that name a task in the environment of all its processes. The journal is part of it because two stacks
 * on one machine count their executions alike, and so make equal dispatch ids.
 */
export function taskMarker(journalId: string, taskId: string): Record<string, string> {
  return { DROVER_JOURNAL: journalId, DROVER_TASK: taskId }
}

/** Every process whose environment carries all of the marker, zombies left out (theirs is empty). */
export function processesOfTask(marker: Record<string, string>, except?: number): number[] {
  const entries = Object.entries(marker).map(([name, value]) => `\0${name}=${value}\0`)
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === except || pid === process.pid) continue
    const environment = `\0${readOrEmpty(`/proc/${pid}/environ`)}\0`
    if (entries.every((entry) => environment.includes(entry))) found.push(pid)
  }
  return found
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
