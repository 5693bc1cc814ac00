/**
 * What a host has of cgroups: v2 with `cgroup.kill`, else the v1 freezer, and what is done with one. Everything works without;
 * they only make killing a tree certain and quick.
 */
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
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
export function ownPath(text: string, kind: Cgroup['kind']): string | undefined {
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
    removeProbe(probe.folder)
  }
}

function removeProbe(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {}
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
