/**
 * A cgroup for each task, beside the agent, where the host allows it: v2 with `cgroup.kill`, else the v1 freezer.
 * Everything works without one; it only makes killing a tree certain and quick.
 */
import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { readSmall } from './read-small.js'

export interface Cgroup {
  kind: 'v2' | 'freezer'
  folder: string
}

/** Folder under which tasks get theirs, or undefined when none can be made. */
export interface CgroupRoot {
  kind: Cgroup['kind']
  parent: string
}

/** Looks once, at start. */
export function findCgroupRoot(): CgroupRoot | undefined {
  const own = readOrEmpty('/proc/self/cgroup').split('\n')
  const mounts = readOrEmpty('/proc/self/mounts').split('\n')
  const v2 = mounts.find((line) => line.split(' ')[2] === 'cgroup2')?.split(' ')[1]
  const v2Path = own.find((line) => line.startsWith('0::'))?.slice(3)
  if (v2 && v2Path) {
    const root: CgroupRoot = { kind: 'v2', parent: join(v2, v2Path) }
    if (canUse(root)) return root
  }
  const freezer = mounts.find((line) => {
    const [, , type, flags] = line.split(' ')
    return type === 'cgroup' && flags?.split(',').includes('freezer')
  })
  const freezerPath = own.find((line) => line.split(':')[1]?.split(',').includes('freezer'))?.split(':')[2]
  if (freezer && freezerPath) {
    const root: CgroupRoot = { kind: 'freezer', parent: join(freezer.split(' ')[1] ?? '', freezerPath) }
    if (canUse(root)) return root
  }
  return undefined
}

function canUse(root: CgroupRoot): boolean {
  const probe: Cgroup = { kind: root.kind, folder: join(root.parent, `drover-probe-${process.pid}`) }
  try {
    mkdirSync(probe.folder)
    accessSync(join(probe.folder, root.kind === 'v2' ? 'cgroup.kill' : 'freezer.state'), constants.W_OK)
    return true
  } catch {
    return false
  } finally {
    removeCgroup(probe)
  }
}

/** The task's cgroup; the name is derived, so that a restarted agent finds it again. */
export function cgroupOf(
  root: CgroupRoot | undefined,
  task: { journalId: string; taskId: string },
): Cgroup | undefined {
  return root && { kind: root.kind, folder: join(root.parent, cgroupName(task.journalId, task.taskId)) }
}

function cgroupName(journalId: string, taskId: string): string {
  return `drover-task-${journalId.slice(0, 8)}-${taskId.slice(0, 32)}`
}

/** Removes the empty cgroups of a journal, but those of the tasks that are named. */
export function removeStrayCgroups(root: CgroupRoot, journalId: string, running: string[]): void {
  const kept = new Set(running.map((taskId) => cgroupName(journalId, taskId)))
  for (const name of readdirSync(root.parent)) {
    const isOurs = name.startsWith(cgroupName(journalId, ''))
    if (isOurs && !kept.has(name)) removeCgroup({ kind: root.kind, folder: join(root.parent, name) })
  }
}

/** Makes it; false when the host refuses, which is no fault. */
export function makeCgroup(cgroup: Cgroup): boolean {
  try {
    mkdirSync(cgroup.folder, { recursive: true })
    return true
  } catch {
    return false
  }
}

export function processesIn(cgroup: Cgroup): number[] {
  return readSmall(join(cgroup.folder, 'cgroup.procs'))
    .toString('latin1')
    .split('\n')
    .filter(Boolean)
    .map(Number)
}

/** Kills everything in it at once; what is just being forked is caught by the caller's next round. */
export function killCgroup(cgroup: Cgroup): void {
  if (cgroup.kind === 'v2') return write(join(cgroup.folder, 'cgroup.kill'), '1')
  const state = join(cgroup.folder, 'freezer.state')
  write(state, 'FROZEN')
  for (const pid of processesIn(cgroup)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {}
  }
  write(state, 'THAWED')
}

/** Removes an empty one; a daemon that the script left keeps it. */
export function removeCgroup(cgroup: Cgroup): void {
  try {
    rmdirSync(cgroup.folder)
  } catch {}
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch {}
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
