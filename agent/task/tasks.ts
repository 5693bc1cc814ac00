/** All tasks of this host: what is asked of them, what runs, what the server has not settled yet. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger } from '../../base/logger.js'
import type {
  CancelTask,
  Dispatch,
  DispatchOrder,
  OutputChunk,
  OutputStream,
  TaskUpdate,
} from '../../proto/index.js'
import { hasErrno } from '../files.js'
import { type Cancel, type Result, toFinalUpdate } from '../journal/records.js'
import { TaskFolder } from '../journal/task-folder.js'
import { TaskOutput } from '../output/task-output.js'
import { uptimeMs } from '../process/proc.js'
import { type AcceptHost, acceptDispatch } from './accept.js'
import { KeyedLock } from './lock.js'
import { readDispatch, readStop, type SigningKeys, stopApplies } from './order.js'
import { isRefusal, type Refusal } from './refusal.js'
import { Runner } from './runner.js'
import { Task } from './task.js'
import { capOf, refusedUpdate, rowsOf, toResult } from './result.js'
import { cancelledUnstarted, rejected, type Verdict } from './verdict.js'

const log = createLogger('agent:tasks')

/** Where news go; with no session they are dropped, for the next hello repeats them. */
export interface TaskListener {
  update(update: TaskUpdate): void
  output(): void
}

export class Tasks {
  listener: TaskListener | undefined
  private readonly host: AcceptHost
  private readonly keys: SigningKeys
  private readonly live = new Map<string, Task>()
  private readonly runners = new Map<string, Runner>()
  private readonly queue: { task: Task; slot: number }[] = []
  private readonly lock = new KeyedLock()
  private readonly runs = new Set<Promise<void>>()
  private stopping = false

  constructor(host: AcceptHost, keys: SigningKeys) {
    this.host = host
    this.keys = keys
  }

  get runningCount(): number {
    return this.runners.size
  }

  /** Whether somebody works with that id. */
  has(id: string): boolean {
    return this.live.has(id)
  }

  /** Updates of everything that the server has not settled, for the hello. */
  unsettled(): TaskUpdate[] {
    return [...this.live.values()].map((task) => task.update())
  }

  /** A new session begins: nothing is sent until the server says where to go on. */
  holdOutput(): void {
    for (const task of this.live.values()) task.output.sendable = false
  }

  async dispatch(dispatch: Dispatch): Promise<void> {
    const { order, authentic } = readDispatch(dispatch, this.keys)
    if (!order) return log.error('a dispatch holds no order; ignored')
    if (!authentic) {
      const detail = `the order is not signed by a key that this host knows (key "${dispatch.keyId}"); check the gateway and the signing keys`
      return this.tell(refusedUpdate(order, { code: 'order_signature_invalid', detail }))
    }
    await this.lock.run(order.dispatchId.toString('hex'), () => this.consider(dispatch, order))
  }

  private async consider(dispatch: Dispatch, order: DispatchOrder): Promise<void> {
    const id = order.dispatchId.toString('hex')
    const known = this.live.get(id) ?? (await this.recall(id))
    if (known) return this.answerKnown(known, order)
    const folder = new TaskFolder(this.host.journal.taskFolder(id))
    const intent = await acceptDispatch(dispatch, order, { folder, host: this.host })
    if (isRefusal(intent)) return this.turnDown(order, intent, folder)
    const output = TaskOutput.open(folder.path, capOf(intent.spec), undefined)
    output.sendable = true
    const task = new Task({ id, folder, intent, output })
    this.add(task)
    this.tell(task.update())
    this.enqueue(task, 1)
  }

  /** A late or repeated dispatch gets the recorded state and starts nothing. */
  private async answerKnown(task: Task, order: DispatchOrder): Promise<void> {
    // An id that was cancelled before its dispatch came learns here which rows it is about.
    if (task.result && task.result.stepExecutionId === '0' && !task.intent) {
      task.result = { ...task.result, ...rowsOf(order), expiresAtMs: Number(order.expiresAtMs) }
      await task.folder.writeResult(task.result)
    }
    if (!task.settled) this.add(task)
    this.tell(task.update())
  }

  private async turnDown(order: DispatchOrder, refusal: Refusal, folder: TaskFolder): Promise<void> {
    log.warn({ taskId: order.dispatchId.toString('hex'), code: refusal.code }, 'an order was refused')
    // Orders that were not for us leave no trace; of the others the refusal is kept, if the disk can.
    if (!refusal.code.startsWith('order_')) {
      const id = order.dispatchId.toString('hex')
      const result = toResult(rejected(refusal.code, refusal.detail), order)
      await this.record(id, folder, result).catch((error: unknown) =>
        log.warn({ err: error }, 'a refusal could not be journalled'),
      )
    }
    this.tell(refusedUpdate(order, refusal))
  }

  private async record(id: string, folder: TaskFolder, result: Result): Promise<void> {
    await this.host.journal.advance()
    await folder.createTombstone(result)
    const task = await this.recall(id)
    if (task) this.add(task)
  }

  async cancel(cancel: CancelTask): Promise<void> {
    const stop = readStop(cancel, this.keys)
    if (!stop)
      return log.error({ code: 'order_signature_invalid' }, 'a cancel is not signed by a known key; ignored')
    const id = cancel.dispatchId.toString('hex')
    const record: Cancel = {
      version: 1,
      order: cancel.order.toString('base64'),
      signature: cancel.signature.toString('base64'),
      keyId: cancel.keyId,
      reason: stop.reason,
      receivedAtMs: Date.now(),
      bootId: this.host.journal.bootId,
      receivedUptimeMs: uptimeMs(),
    }
    await this.lock.run(id, async () => {
      const task = this.live.get(id) ?? (await this.recall(id))
      if (!task)
        return this.cancelUnknown(id, record, {
          executionId: stop.executionId,
          expiresAtMs: cancel.expiresAtMs,
        })
      if (task.result || !task.order || !stopApplies(stop, task.order)) return this.tell(task.update())
      await this.cancelKnown(task, record)
    })
  }

  private async cancelKnown(task: Task, cancel: Cancel): Promise<void> {
    // What ended by itself before this moment stays as it ended.
    if (await task.folder.readExit()) return
    await this.host.journal.advance()
    await task.folder.writeCancel({ ...cancel, receivedUptimeMs: uptimeMs() })
    const runner = this.runners.get(task.id)
    if (runner) return runner.stop(cancel)
    const at = this.queue.findIndex((entry) => entry.task === task)
    const [entry] = at < 0 ? [] : this.queue.splice(at, 1)
    if (entry && (await task.folder.voidClaim(entry.slot))) {
      await this.finish(task, cancelledUnstarted(cancel.reason), undefined)
    }
  }

  private async cancelUnknown(
    id: string,
    cancel: Cancel,
    about: { executionId: bigint; expiresAtMs: bigint },
  ): Promise<void> {
    const rows = { executionId: String(about.executionId), stepExecutionId: '0', attempt: 0, outputDay: '' }
    const base = toResult(cancelledUnstarted(cancel.reason), undefined)
    const result: Result = { ...base, ...rows, expiresAtMs: Number(about.expiresAtMs) }
    const folder = new TaskFolder(this.host.journal.taskFolder(id))
    await this.host.journal.advance()
    await folder.createTombstone(result, cancel)
    // The server asked about an id that it knows; there is nothing to repeat until its dispatch comes.
    this.tell(toFinalUpdate(Buffer.from(id, 'hex'), result, { stdout: 0, stderr: 0 }))
  }

  /** The server has the final state. */
  async settle(dispatchId: Buffer): Promise<void> {
    const task = this.live.get(dispatchId.toString('hex'))
    if (!task?.result) return
    await task.folder.markSettled()
    task.settled = true
    await this.dropIfDone(task)
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

  async resumeOutput(dispatchId: Buffer, stdout: bigint, stderr: bigint): Promise<void> {
    const id = dispatchId.toString('hex')
    const task = this.live.get(id) ?? (await this.recall(id))
    if (!task) return
    this.live.set(id, task)
    task.output.stdout.resume(Number(stdout))
    task.output.stderr.resume(Number(stderr))
    task.output.sendable = true
    await this.saveAcked(task)
    if (task.output.isAcknowledged) await this.dropIfDone(task)
    this.listener?.output()
  }

  /** The next chunk to send, tasks taking turns. */
  async nextChunk(maxBytes: number): Promise<OutputChunk | undefined> {
    for (const [id, task] of this.live) {
      if (!task.output.hasMore) continue
      const piece = await task.output.nextChunk(maxBytes)
      if (!piece) continue
      // To the end of the line.
      if (this.live.delete(id)) this.live.set(id, task)
      const atMs = BigInt(Math.max(0, uptimeMs() - (task.startedUptimeMs ?? uptimeMs())))
      return { dispatchId: task.dispatchId, ...piece, atMs }
    }
    return undefined
  }

  /** Puts a task into the list without starting it. */
  add(task: Task): void {
    this.live.set(task.id, task)
  }

  /** Starts a task when there is room, in the order in which tasks were accepted. */
  enqueue(task: Task, slot: number): void {
    this.queue.push({ task, slot })
    this.startNext()
  }

  /** Watches a task that runs already. */
  adopt(task: Task): void {
    this.carry(task, (runner) => runner.adopt())
  }

  /** A task from the disk that is over, or undefined. */
  async recall(id: string): Promise<Task | undefined> {
    const folder = new TaskFolder(this.host.journal.taskFolder(id))
    const result = await folder.readResult()
    if (!result) return undefined
    const output = TaskOutput.ended(folder.path, result)
    const acked = await folder.readAcked()
    output.stdout.resume(acked.stdout)
    output.stderr.resume(acked.stderr)
    const task = new Task({ id, folder, intent: await folder.readIntent(), output, result })
    task.settled = await folder.isSettled()
    return task
  }

  /** Records a verdict and tells it; `runner` is who watched the task, if anybody did. */
  async finish(task: Task, verdict: Verdict, runner: Runner | undefined): Promise<void> {
    const ends = await task.output.end((capped) => task.folder.writeCapped(capped))
    const exit = await task.folder.readExit()
    const endedUptimeMs = exit?.uptimeMs ?? uptimeMs()
    // Uptimes of two boots have nothing to do with each other.
    const comparable = exit !== undefined || task.intent?.bootId === this.host.journal.bootId
    const startedUptimeMs = comparable ? task.startedUptimeMs : undefined
    const durationMs = startedUptimeMs === undefined ? 0 : Math.max(0, endedUptimeMs - startedUptimeMs)
    task.result = { ...toResult(verdict, task.order), ...ends, durationMs }
    task.phase = 'ended'
    await this.persistResult(task)
    await runner?.clean()
    this.tell(task.update())
    this.listener?.output()
  }

  private async persistResult(task: Task): Promise<void> {
    try {
      await this.host.journal.advance()
      if (task.result) await task.folder.writeResult(task.result)
    } catch (error) {
      // What decided the verdict is on disk already, so a restart comes to the same one.
      log.error({ taskId: task.id, err: error }, 'a verdict could not be journalled; will try again')
      const retry = setTimeout(
        () => void this.persistResult(task),
        hasErrno(error, 'ENOSPC') ? 10_000 : 2_000,
      )
      retry.unref()
    }
  }

  /** Removes folders of scripts that no task of the journal needs: what a crash left before the intent was written. */
  async removeStrayScripts(): Promise<void> {
    const root = this.host.scriptsRoot
    const needed = new Set(
      [...this.live.values()].filter((task) => !task.result).map((task) => task.intent?.scriptFolder),
    )
    for (const name of await readdir(root)) {
      const folder = join(root, name)
      if (!needed.has(folder)) await rm(folder, { recursive: true, force: true })
    }
  }

  /** Stops watching; scripts run on, and the next life of the agent finds them. */
  async stop(): Promise<void> {
    this.stopping = true
    this.queue.length = 0
    for (const runner of this.runners.values()) runner.detach()
    await Promise.allSettled(this.runs)
    for (const task of this.live.values()) {
      await this.saveAcked(task)
      await task.output.close()
    }
  }

  private startNext(): void {
    while (!this.stopping && this.runners.size < this.host.maxTasks) {
      const entry = this.queue.shift()
      if (!entry) return
      this.carry(entry.task, (runner) => runner.start(entry.slot))
    }
  }

  private carry(task: Task, run: (runner: Runner) => Promise<Verdict | undefined>): void {
    task.phase = 'running'
    const runner = new Runner(task, this.host, {
      changed: (changed) => this.tell(changed.update()),
      output: () => this.listener?.output(),
    })
    this.runners.set(task.id, runner)
    const work = run(runner)
      .then(async (verdict) => {
        if (verdict) await this.lock.run(task.id, () => this.finish(task, verdict, runner))
      })
      .catch((error: unknown) => log.error({ taskId: task.id, err: error }, 'watching a task failed'))
      .finally(() => {
        this.runners.delete(task.id)
        this.runs.delete(work)
        this.startNext()
      })
    this.runs.add(work)
  }

  private async dropIfDone(task: Task): Promise<void> {
    if (!task.settled || !task.output.isAcknowledged) return
    await this.saveAcked(task)
    this.live.delete(task.id)
    await task.output.close()
  }

  private async saveAcked(task: Task): Promise<void> {
    await task.folder.writeAcked(task.output.acked()).catch(() => undefined)
  }

  private tell(update: TaskUpdate): void {
    this.listener?.update(update)
  }
}
