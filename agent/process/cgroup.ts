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
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSmall } from './read-small.js'

export interface Cgroup {
  kind: 'v2' | 'freezer'
  folder: string
}

/** Where tasks get theirs. */
export interface CgroupRoot {
  kind: Cgroup['kind']
  /** Where the hierarchy is mounted. */
  mount: string
  /** The agent's own folder in it, as it was at the start. */
  parent: string
}

/** Looks once, at start; undefined when none can be made. */
export function findCgroupRoot(): CgroupRoot | undefined {
  const mounts = readOrEmpty('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' '))
  const v2 = mounts.find(([, , type]) => type === 'cgroup2')?.[1]
  const freezer = mounts.find(
    ([, , type, flags]) => type === 'cgroup' && flags?.split(',').includes('freezer'),
  )?.[1]
  return rootAt('v2', v2) ?? rootAt('freezer', freezer)
}

function rootAt(kind: Cgroup['kind'], mount: string | undefined): CgroupRoot | undefined {
  const own = ownPath(readOrEmpty('/proc/self/cgroup'), kind)
  if (mount === undefined || own === undefined) return undefined
  const root = { kind, mount, parent: join(mount, own) }
  return canUse(root) ? root : undefined
}

/** The path of a process in a hierarchy. @param text of its /proc/PID/cgroup: a line `ID:CONTROLLERS:PATH` for each */
function ownPath(text: string, kind: Cgroup['kind']): string | undefined {
  const lines = text.split('\n').map((line) => /^(\d+):([^:]*):(.*)$/.exec(line) ?? [])
  const isOf = (id = '', controllers = '') =>
    kind === 'v2' ? id === '0' && controllers === '' : controllers.split(',').includes('freezer')
  return lines.find(([, id, controllers]) => isOf(id, controllers))?.[3]
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

/**
 * Makes it ahead of time, and the kernel ready to move a process into it, while the agent does other things. A move waits for a
 * grace period of RCU (8 ms and more), unless one has just passed for another move: `rcu_sync` in the kernel's percpu_rwsem.
 * So this process moves to where it is, which changes nothing. Meanwhile the kernel makes, removes and tells no cgroup: whoever
 * needs one at once must have it before. Where any of this fails, the move that matters waits for itself.
 */
export async function prepareCgroup({ kind, mount }: CgroupRoot, cgroup: Cgroup): Promise<void> {
  try {
    await mkdir(cgroup.folder)
    // Anew, for a host may have moved the agent: it must not move itself back.
    const own = ownPath(await readFile('/proc/self/cgroup', 'utf8'), kind)
    if (own !== undefined) await writeFile(join(mount, own, 'cgroup.procs'), '0')
  } catch {}
}

/** Makes it if it is not there; false when the host refuses, which is no fault. */
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
