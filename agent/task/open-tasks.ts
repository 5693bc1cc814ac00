/**
 * The tasks that somebody still waits for: running ones, and ended ones that the server has not settled or whose
 * output it has not got. What is neither lives on disk alone, as a tombstone.
 */
import type { OutputChunk, OutputStream, TaskUpdate } from '../../proto/index.js'
import type { HostKeys } from '../identity/host-keys.js'
import type { Journal } from '../journal/journal.js'
import { TaskFolder } from '../journal/task-folder.js'
import { TaskOutput } from '../output/task-output.js'
import { uptimeMs } from '../process/proc.js'
import { maskOfIntent } from './secrets.js'
import { Task } from './task.js'

export class OpenTasks {
  private readonly live = new Map<string, Task>()
  private readonly journal: Journal
  private readonly keys: HostKeys

  constructor(journal: Journal, keys: HostKeys) {
    this.journal = journal
    this.keys = keys
  }

  /** Whether somebody works with that id. */
  has(id: string): boolean {
    return this.live.has(id)
  }

  all(): Task[] {
    return [...this.live.values()]
  }

  /** Puts a task into the list without starting it. */
  add(task: Task): void {
    this.live.set(task.id, task)
  }

  /** The task of that id: open, or over and found on the disk; undefined for an id that this journal never saw. */
  async find(id: string): Promise<Task | undefined> {
    return this.live.get(id) ?? (await this.recall(id))
  }

  /** Updates of everything that the server has not settled, for the hello. */
  unsettled(): TaskUpdate[] {
    return [...this.live.values()].map((task) => task.update())
  }

  /** A new session begins: nothing is under way any more, and nothing is sent until the server says where to go on. */
  holdOutput(): void {
    for (const { output } of this.live.values()) {
      output.sendable = false
      output.stdout.resume(output.stdout.acked)
      output.stderr.resume(output.stderr.acked)
    }
  }

  /** The server has the final state. */
  async settle(dispatchId: Buffer): Promise<void> {
    const task = this.live.get(dispatchId.toString('hex'))
    if (!task?.result) return
    task.settled = true
    if (!(await this.dropIfDone(task))) await task.folder.markSettled('verdict')
  }

  /** @returns how many bytes of output are newly acknowledged */
  async acknowledge(dispatchId: Buffer, stream: OutputStream, offset: bigint): Promise<number> {
    const task = this.live.get(dispatchId.toString('hex'))
    const freed = task?.output.stream(stream)?.acknowledge(Number(offset)) ?? 0
    if (task?.result && task.output.isAcknowledged) {
      await this.saveAcked(task)
      await this.dropIfDone(task)
    }
    return freed
  }

  /**
   * The server said where to go on with a task's output.
   * @returns how many bytes that were under way are not awaited any more
   */
  async resumeOutput(dispatchId: Buffer, stdout: bigint, stderr: bigint): Promise<number> {
    const id = dispatchId.toString('hex')
    const task = await this.find(id)
    if (!task) return 0
    this.live.set(id, task)
    const { output } = task
    const freed = output.stdout.underWay + output.stderr.underWay
    output.stdout.resume(Number(stdout))
    output.stderr.resume(Number(stderr))
    output.stdout.skipIfGone()
    output.stderr.skipIfGone()
    output.sendable = true
    await this.saveAcked(task)
    await this.dropIfDone(task)
    return freed
  }

  /** The next chunk to send, tasks taking turns. */
  async nextChunk(maxBytes: number): Promise<OutputChunk | undefined> {
    for (const [id, task] of this.live) {
      if (!task.output.hasMore) continue
      const piece = task.output.nextChunk(maxBytes)
      if (!piece) continue
      // To the end of the line.
      if (this.live.delete(id)) this.live.set(id, task)
      const atMs = BigInt(Math.max(0, uptimeMs() - (task.startedUptimeMs ?? uptimeMs())))
      return { dispatchId: task.dispatchId, ...piece, inflatedBytes: 0, atMs }
    }
    return undefined
  }

  private async recall(id: string): Promise<Task | undefined> {
    const folder = new TaskFolder(this.journal.taskFolder(id))
    const result = await folder.readResult()
    if (!result) return undefined
    const intent = await folder.readIntent()
    const output = TaskOutput.ended(folder.path, result, maskOfIntent(intent, id, this.keys))
    const acked = await folder.readAcked()
    output.stdout.resume(acked.stdout)
    output.stderr.resume(acked.stderr)
    const task = new Task({ id, folder, intent, output, result })
    task.settled = (await folder.readSettled()) !== 'no'
    return task
  }

  /** Saves what a restart should know and closes every file. */
  async close(): Promise<void> {
    for (const task of this.live.values()) {
      await this.saveAcked(task)
      task.output.close()
    }
  }

  /** Forgets a task that nobody waits for any more; says whether it did. */
  async dropIfDone(task: Task): Promise<boolean> {
    if (!task.settled || !task.output.isAcknowledged) return false
    await this.saveAcked(task)
    await task.folder.markSettled('complete')
    this.live.delete(task.id)
    task.output.close()
    return true
  }

  private async saveAcked(task: Task): Promise<void> {
    await task.folder.writeAcked(task.output.acked()).catch(() => undefined)
  }
}
