/**
 * Ending a task's processes: ask by SIGTERM, wait, then kill until none is left. Three nets, because each has holes:
 * the cgroup (needs rights), the process group (setsid leaves it), the marker in the environment (`env -i` drops it).
 */
import { delay } from '../../base/backoff.js'
import { type Cgroup, killCgroup, processesIn } from './cgroup.js'
import { processesOfTask, readStat } from './proc.js'

export interface Tree {
  marker: Record<string, string>
  /** Process group of the script, once the wrapper has written it. */
  group: number | undefined
  /** The wrapper's pid: it is left alone, so that it can record the end. */
  wrapper: number | undefined
  cgroup: Cgroup | undefined
}

const POLL_MS = 40
// A process in uninterruptible sleep cannot be killed by anyone; the verdict must not wait for it for ever.
const GIVE_UP_MS = 10_000

/** @returns the pids that could not be ended, empty when nothing is left */
export async function killTree(tree: Tree, graceMs: number): Promise<number[]> {
  signalTree(tree, 'SIGTERM')
  if (await isGone(tree, graceMs)) return []
  const started = performance.now()
  while (performance.now() - started < GIVE_UP_MS) {
    if (tree.cgroup) killCgroup(tree.cgroup)
    // Stopped first: a process that is stopped forks no more while the rest are found.
    signalTree(tree, 'SIGSTOP')
    signalTree(tree, 'SIGKILL')
    if (await isGone(tree, POLL_MS)) return []
  }
  return members(tree)
}

function signalTree(tree: Tree, signal: NodeJS.Signals): void {
  const pids = members(tree)
  // The group number is trusted only while a process of this task is in it: numbers are used again.
  if (tree.group !== undefined && pids.some((pid) => readStat(pid)?.group === tree.group))
    send(-tree.group, signal)
  for (const pid of pids) {
    if (readStat(pid)?.group !== tree.group || signal !== 'SIGTERM') send(pid, signal)
  }
}

/** Processes of the task that still run. */
function members(tree: Tree): number[] {
  const pids = new Set(processesOfTask(tree.marker, tree.wrapper))
  for (const pid of tree.cgroup ? processesIn(tree.cgroup) : []) {
    if (pid !== tree.wrapper && readStat(pid)?.state !== 'Z') pids.add(pid)
  }
  return [...pids]
}

async function isGone(tree: Tree, withinMs: number): Promise<boolean> {
  const started = performance.now()
  for (;;) {
    if (members(tree).length === 0) return true
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
