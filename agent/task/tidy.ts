/** Removing what only a run needed: its script, its command file, its cgroup. */
import { rmSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cgroupOf, removeCgroup, removeStrayCgroups } from '../process/cgroup.js'
import type { TaskHost } from './host.js'
import type { Task } from './task.js'

/** Called once the verdict is recorded. A daemon that the script left keeps its cgroup until a later look. */
export async function tidyTask(host: TaskHost, task: Task): Promise<void> {
  if (task.intent) rmSync(task.intent.scriptFolder, { recursive: true, force: true })
  const cgroup = cgroupOf(host.cgroupRoot, { journalId: host.journal.id, taskId: task.id })
  if (cgroup) removeCgroup(cgroup)
}

/** Removes folders of scripts that no task needs: what a crash left before the intent was written. Only at start. */
export async function tidyScripts(host: TaskHost, tasks: Task[]): Promise<void> {
  const needed = new Set(tasks.filter((task) => !task.result).map((task) => task.intent?.scriptFolder))
  for (const name of await readdir(host.scriptsRoot)) {
    const folder = join(host.scriptsRoot, name)
    if (!needed.has(folder)) await rm(folder, { recursive: true, force: true })
  }
}

/** Removes cgroups of this journal that are empty by now and belong to no running task. */
export function tidyCgroups(host: TaskHost, tasks: Task[]): void {
  const running = tasks.filter((task) => !task.result).map((task) => task.id)
  if (host.cgroupRoot) removeStrayCgroups(host.cgroupRoot, host.journal.id, running)
}
