/** What is left of tasks that have ended: nothing, within a second. */
import { readdirSync } from 'node:fs'
import { findCgroupRoot } from '../process/cgroup.js'
import { processesOfTask } from '../process/proc.js'

// A process that was killed may be seen until the kernel has taken it away; the promise is a second.
const WITHIN_MS = 1_000

/** Resolves when no process carries the task's marker. Throws, naming those that do, if some are left after a second. */
export async function expectNoneOfTask(marker: Record<string, string>): Promise<void> {
  for (const until = Date.now() + WITHIN_MS; ; ) {
    const left = processesOfTask(marker)
    if (!left.length) return
    if (Date.now() > until)
      throw new Error(`processes ${left.join(', ')} are left of task ${marker['DROVER_TASK']}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Resolves when no task of the journal has a cgroup: they go a moment after results are told. Throws, naming those that are left. */
export async function expectNoCgroups(journalId: string): Promise<void> {
  const parent = findCgroupRoot()?.parent
  if (parent === undefined) return
  const isOurs = (name: string) => name.startsWith(`drover-task-${journalId.slice(0, 8)}-`)
  for (const until = Date.now() + WITHIN_MS; ; ) {
    const left = readdirSync(parent).filter(isOurs)
    if (!left.length) return
    if (Date.now() > until) throw new Error(`cgroups ${left.join(', ')} are left`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
