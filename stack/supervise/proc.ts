/** Reads of /proc: who is alive, since when, and who carries our marker. Linux only, as all of the embedded stack. */
import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'

interface ProcessStat {
  parent: number
  state: string
  /** Clock ticks since boot: with the pid it names a process for good, for pids are used again. */
  birth: string
}

/** Undefined if there is no such process. */
export function statOf(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name in brackets may hold anything, so fields are counted from the last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', parent: Number(fields[1]), birth: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

/** Whether the process that was born then still runs; a zombie does not. */
export function isRunning(pid: number, birth: string): boolean {
  const stat = statOf(pid)
  return stat !== undefined && stat.birth === birth && stat.state !== 'Z'
}

export function commandOf(pid: number): string {
  return readOrEmpty(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Pids of all processes whose environment holds `entry` (`NAME=value`), zombies left out. */
export function pidsWithEnvironment(entry: string): number[] {
  const pids: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'latin1')
      if (environment.split('\0').includes(entry)) pids.push(Number(name))
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
  return pids
}

/** Pids of all processes that work in a folder. */
export function pidsIn(folder: string): number[] {
  const real = realpathSync(folder)
  const isIn = (pid: string) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === real
    } catch {
      // Ended meanwhile, or another user's.
      return false
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isIn(name))
    .map(Number)
}

/**
 * Folders of the cgroups in which these processes are, of those that agents make for their tasks: they stay behind, empty,
 * when the processes are killed.
 */
export function taskCgroupsOf(pids: number[]): string[] {
  const folders = new Set<string>()
  for (const pid of pids) {
    for (const line of readOrEmpty(`/proc/${pid}/cgroup`).split('\n')) {
      const path = line.split(':').slice(2).join(':')
      if (!path.includes('/drover-task-')) continue
      for (const mount of ['', '/unified', '/freezer']) folders.add(`/sys/fs/cgroup${mount}${path}`)
    }
  }
  return [...folders]
}
