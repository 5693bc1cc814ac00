/**
 * The cgroups of this journal's tasks, beside the agent's own. The kernel makes, removes and fills one at a time, and may let a
 * grace period of RCU pass over it (8 ms and more): so they are asked for in their order, by one thread of the pool at a time,
 * and the agent goes on meanwhile.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrno } from '../files.js'
import { type Cgroup, type CgroupRoot, ownPath } from './cgroup.js'

export class Cgroups {
  private readonly root: CgroupRoot
  private readonly prefix: string
  /** By folder: whether it could be made. */
  private readonly made = new Map<string, Promise<boolean>>()
  private last: Promise<unknown> = Promise.resolve()
  private passing = false

  constructor(root: CgroupRoot, journalId: string) {
    this.root = root
    this.prefix = `drover-task-${journalId.slice(0, 8)}-`
  }

  /** A task's cgroup, whether it is there or not; the name is derived, so that a restarted agent finds it again. */
  of(taskId: string): Cgroup {
    return { kind: this.root.kind, folder: join(this.root.parent, `${this.prefix}${taskId.slice(0, 32)}`) }
  }

  /** Makes a task's, once. @returns the file by which a process joins it; undefined where the host refuses, which is no fault */
  async make(taskId: string): Promise<string | undefined> {
    const { folder } = this.of(taskId)
    let made = this.made.get(folder)
    if (!made) {
      made = this.inOrder(() => mkdir(folder)).then(
        () => true,
        // An earlier life of the agent may have made it.
        (error: unknown) => hasErrno(error, 'EEXIST'),
      )
      this.made.set(folder, made)
    }
    return (await made) ? join(folder, 'cgroup.procs') : undefined
  }

  /**
   * For a task that is about to start: makes its cgroup, and has the kernel ready to let a process join, while the agent does
   * other things. What fails of it is done, or waited for, by whoever starts the task.
   */
  prepare(taskId: string): void {
    void this.make(taskId)
    // One serves all that come meanwhile.
    if (this.passing) return
    this.passing = true
    const passed = () => {
      this.passing = false
    }
    void this.inOrder(() => passGracePeriod(this.root)).then(passed, passed)
  }

  /** Removes a task's, if nobody is in it any more. */
  remove(taskId: string): void {
    const { folder } = this.of(taskId)
    this.made.delete(folder)
    this.inOrder(() => rmdir(folder)).catch(() => undefined)
  }

  /** Removes all that are empty, but those of tasks that are named or about to start. */
  async sweep(running: readonly string[]): Promise<void> {
    const kept = new Set(running.map((taskId) => this.of(taskId).folder))
    // A host that has moved the agent may have removed where it was.
    for (const name of await readdir(this.root.parent).catch(() => [])) {
      const folder = join(this.root.parent, name)
      const isStray = () => name.startsWith(this.prefix) && !kept.has(folder) && !this.made.has(folder)
      if (isStray()) await this.inOrder(async () => isStray() && rmdir(folder)).catch(() => undefined)
    }
  }

  private inOrder<T>(step: () => Promise<T>): Promise<T> {
    const result = this.last.then(step)
    this.last = result.catch(() => undefined)
    return result
  }
}

/**
 * A process joins a cgroup at once if a grace period has passed for another one just before (`rcu_sync` in the kernel's
 * percpu_rwsem); by itself it waits for one. So this process moves to where it is, which changes nothing. Where it is is read
 * anew, for a host may have moved the agent since its start; a move in the same moment may be undone by it.
 */
async function passGracePeriod({ kind, mount }: CgroupRoot): Promise<void> {
  const own = ownPath(await readFile('/proc/self/cgroup', 'utf8'), kind)
  if (own !== undefined) await writeFile(join(mount, own, 'cgroup.procs'), '0')
}
