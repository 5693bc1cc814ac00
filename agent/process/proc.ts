/** What /proc says of processes: identity as pid and start time, and who carries a task's marker. */
import { readdirSync } from 'node:fs'
import { readSmall } from './read-small.js'

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
  const text = readSmall(`/proc/${pid}/stat`).toString('latin1')
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
  return Math.round(Number.parseFloat(readSmall('/proc/uptime').toString('latin1')) * 1000)
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

/** Whether that process carries all of the marker in its environment; a zombie carries nothing. */
export function carriesMarker(pid: number, marker: Record<string, string>): boolean {
  const environment = readSmall(`/proc/${pid}/environ`)
  return Object.entries(marker).every(
    ([name, value]) => variableAt(environment, `${name}=`, `${value}\0`) >= 0,
  )
}

/** Where the value of a variable begins, -1 when it is not there or is another. */
function variableAt(environment: Buffer, name: string, value = ''): number {
  const entry = `${name}${value}`
  for (let at = environment.indexOf(entry); at >= 0; at = environment.indexOf(entry, at + 1)) {
    if (at === 0 || environment[at - 1] === 0) return at + name.length
  }
  return -1
}

/** Every process that carries the marker. Reads all of /proc. */
export function processesOfTask(marker: Record<string, string>): number[] {
  return listPids().filter((pid) => carriesMarker(pid, marker))
}

// Hundreds of tasks that are ended at once ask at the same time, so they share one walk.
const SHARED_WALK_MS = 5
let nextWalk: Promise<Map<string, number[]>> | undefined

/** As processesOfTask, by a walk that begins within the next ms and serves all that ask until then. */
export async function findProcessesOfTask(marker: Record<string, string>): Promise<number[]> {
  nextWalk ??= new Promise((resolve) => {
    setTimeout(() => {
      nextWalk = undefined
      resolve(walk())
    }, SHARED_WALK_MS)
  })
  const found = (await nextWalk).get(marker['DROVER_TASK'] ?? '') ?? []
  return found.filter((pid) => carriesMarker(pid, marker))
}

/** Pids by the value of DROVER_TASK. */
function walk(): Map<string, number[]> {
  const byTask = new Map<string, number[]>()
  for (const pid of listPids()) {
    const environment = readSmall(`/proc/${pid}/environ`)
    const at = variableAt(environment, 'DROVER_TASK=')
    if (at < 0) continue
    const value = environment.toString('latin1', at, environment.indexOf(0, at))
    byTask.set(value, [...(byTask.get(value) ?? []), pid])
  }
  return byTask
}

function listPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
}
