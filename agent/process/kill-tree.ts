/**
 * Ending a task's processes: ask by SIGTERM, wait, then kill until none is left. Three nets, because each has holes:
 * the cgroup (needs rights), the process group (setsid leaves it), the marker in the environment (`env -i` drops it).
 */
import { delay } from '../../base/backoff.js'
import { type Cgroup, killCgroup, processesIn } from './cgroup.js'
import { carriesMarker, findProcessesOfTask, readStat } from './proc.js'

export interface Tree {
  marker: Record<string, string>
  /** Process group of the script, once the wrapper has written it. */
  group: number | undefined
  /** The wrapper's pid: it is left alone, so that it can record the end. */
  wrapper: number | undefined
  /** Whether the script left the wrapper's process group, in which then only the wrapper and its copiers are. */
  ownSession: boolean
  cgroup: Cgroup | undefined
}

const POLL_MS = 40
// A process in uninterruptible sleep cannot be killed by anyone; the verdict must not wait for it for ever.
const GIVE_UP_MS = 10_000

/** @returns the pids that could not be ended, empty when nothing is left */
export async function killTree(tree: Tree, graceMs: number): Promise<number[]> {
  signalTree(tree, await members(tree), 'SIGTERM')
  if (await isGone(tree, graceMs)) return []
  const started = performance.now()
  while (performance.now() - started < GIVE_UP_MS) {
    if (tree.cgroup) killCgroup(tree.cgroup)
    const pids = await members(tree)
    // Stopped first: a process that is stopped forks no more while the rest are found.
    signalTree(tree, pids, 'SIGSTOP')
    signalTree(tree, pids, 'SIGKILL')
    if (await isGone(tree, POLL_MS)) return []
  }
  return members(tree)
}

function signalTree(tree: Tree, pids: number[], signal: NodeJS.Signals): void {
  // Pids were found a moment ago, and numbers are used again: each is looked at once more before it is signalled.
  const sure = pids.filter((pid) => carriesMarker(pid, tree.marker) || isInCgroup(tree, pid))
  const inGroup = sure.filter((pid) => readStat(pid)?.group === tree.group)
  if (tree.group !== undefined && inGroup.length) send(-tree.group, signal)
  // One SIGTERM each: a script that counts them must not get two.
  const single = signal === 'SIGTERM' ? sure.filter((pid) => !inGroup.includes(pid)) : sure
  for (const pid of single) send(pid, signal)
}

/** Processes of the task that still run. */
async function members(tree: Tree): Promise<number[]> {
  const pids = new Set(await findProcessesOfTask(tree.marker))
  for (const pid of tree.cgroup ? processesIn(tree.cgroup) : []) {
    if (readStat(pid)?.state !== 'Z') pids.add(pid)
  }
  return [...pids].filter((pid) => !isSpared(tree, pid))
}

/**
 * The wrapper, and the copiers that bring the last output home and end with it. No process of the script can join their
 * group from another session; the one that is about to become the script is still in it.
 */
function isSpared(tree: Tree, pid: number): boolean {
  if (tree.wrapper === undefined || pid === tree.group) return false
  return pid === tree.wrapper || (tree.ownSession && readStat(pid)?.group === tree.wrapper)
}

function isInCgroup(tree: Tree, pid: number): boolean {
  return tree.cgroup !== undefined && processesIn(tree.cgroup).includes(pid)
}

async function isGone(tree: Tree, withinMs: number): Promise<boolean> {
  const started = performance.now()
  for (;;) {
    if ((await members(tree)).length === 0) return true
    if (performance.now() - started >= withinMs) return false
    await delay(Math.min(POLL_MS, withinMs))
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone meanwhile, or another account's: the caller counts what is left.
  }
}
