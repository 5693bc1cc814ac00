/** What /proc says of a stack's processes: who carries its marker, which task a process belongs to, who is whose child. */
import { readdirSync, readFileSync } from 'node:fs'
import { WRAPPER_FILE } from '../../agent/process/wrapper'
import { statOf } from '../../stack/supervise/proc'
import { familyOf } from '../helpers/family'

export interface MarkedProcess {
  pid: number
  birth: string
  parent: number
  state: string
  /** Dispatch id, hex; undefined for what is no task's. */
  task: string | undefined
  /** Host id. */
  host: string | undefined
  /** A shape left it behind on purpose. */
  isLeft: boolean
  words: string[]
}

/** Set by shapes in the environment of what they leave running on purpose. */
export const LEFT_ON_PURPOSE = 'DROVER_CHAOS_LEFT=1'

/** All processes that carry `DROVER_STACK=marker` but zombies. */
export function markedProcesses(marker: string): MarkedProcess[] {
  const found: MarkedProcess[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const entries = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0')
      if (!entries.includes(`DROVER_STACK=${marker}`)) continue
      const stat = statOf(Number(name))
      if (!stat || stat.state === 'Z') continue
      const valueOf = (key: string) =>
        entries.find((entry) => entry.startsWith(`${key}=`))?.slice(key.length + 1)
      found.push({
        pid: Number(name),
        birth: stat.birth,
        parent: stat.parent,
        state: stat.state,
        task: valueOf('DROVER_TASK'),
        host: valueOf('DROVER_HOST'),
        isLeft: entries.includes(LEFT_ON_PURPOSE),
        words: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0'),
      })
    } catch {
      // Ended meanwhile.
    }
  }
  return found
}

/** Wrappers of tasks; the shells that a wrapper forks look the same and have another of them as parent. */
export function wrappers(processes: readonly MarkedProcess[]): MarkedProcess[] {
  const alike = processes.filter((process) => process.task && process.words[1]?.endsWith(`/${WRAPPER_FILE}`))
  const pids = new Set(alike.map((process) => process.pid))
  return alike.filter((process) => !pids.has(process.parent))
}

/** Pids of all descendants, for servers of many processes. */
export function descendants(pid: number): number[] {
  return familyOf(pid).flatMap((relative) => (relative.pid === pid ? [] : relative.pid))
}

/** Sends a signal; one that has gone meanwhile is no error. @returns whether it was there */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}
