/** Removing what only a run needed: its script, its command file, its secrets, its cgroup. */
import { rmSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TOOLS } from '../capability/tools.js'
import { removeSecrets } from '../capability/secret-files.js'
import type { TaskHost } from './host.js'
import type { Task } from './task.js'

/** Called once the verdict is recorded. A daemon that the script left keeps its cgroup until a later look. */
export async function tidyTask(host: TaskHost, task: Task): Promise<void> {
  if (task.intent) rmSync(task.intent.scriptFolder, { recursive: true, force: true })
  removeSecrets(task.intent?.secretsFolder)
  host.cgroups?.remove(task.id)
}

/** Removes folders of scripts and secrets that no task needs: what a crash left before the intent was written. Only at start. */
export async function tidyScripts(host: TaskHost, tasks: Task[]): Promise<void> {
  const needed = new Set(
    tasks
      .filter((task) => !task.result)
      .flatMap(({ intent }) => [intent?.scriptFolder, intent?.secretsFolder])
      .filter((folder) => folder !== undefined),
  )
  host.secretFolders.sweep(needed)
  // Without a file system in memory the folders of secrets have one of their own beside the scripts'.
  const kept = new Set([...needed, ...Array.from(needed, dirname)])
  for (const name of await readdir(host.scriptsRoot)) {
    if (name === TOOLS) continue
    const folder = join(host.scriptsRoot, name)
    if (!kept.has(folder)) await rm(folder, { recursive: true, force: true })
  }
}

/** Removes cgroups of this journal that are empty by now and belong to no running task. */
export async function tidyCgroups(host: TaskHost, tasks: Task[]): Promise<void> {
  await host.cgroups?.sweep(tasks.filter((task) => !task.result).map((task) => task.id))
}
