/** All tasks of this host: what is asked of them, what runs, what the server has not settled yet. */
import { createLogger } from '../../base/logger.js'
import {
  type CancelTask,
  type Dispatch,
  DispatchOrder,
  StopOrder,
  type TaskUpdate,
} from '../../proto/index.js'
import { hasErrno } from '../files.js'
import { type Cancel, type Capped, type Intent, type Result, toFinalUpdate } from '../journal/records.js'
import { TaskFolder } from '../journal/task-folder.js'
import { TaskOutput } from '../output/task-output.js'
import { uptimeMs } from '../process/proc.js'
import { type AcceptHost, acceptDispatch } from './accept.js'
import { KeyedLock } from './lock.js'
import { OpenTasks } from './open-tasks.js'
import { readDispatch, readStop, type SigningKeys, stopApplies } from './order.js'
import { isRefusal, type Refusal } from './refusal.js'
import { Runner } from './runner.js'
import { maskOfIntent } from './secrets.js'
import { isSameTask, isUnclaimed, Task } from './task.js'
import { absentUpdate, capOf, refusedUpdate, rowsOf, toResult, withSaid } from './result.js'
import { tidyCgroups, tidyScripts, tidyTask } from './tidy.js'
import { cancelledUnstarted, rejected, type Verdict } from './verdict.js'

const log = createLogger('agent:tasks')

const LONGEST_CANCEL_MS = 30 * 86_400_000
// No id: a name of its own among the locks.
const IN_ORDER = 'in order'
const TIDY_MS = 5 * 60_000

/** Where news go; with no session they are dropped, for the next hello repeats them. */
export interface TaskListener {
  update(update: TaskUpdate): void
  output(): void
}

export class Tasks {
  listener: TaskListener | undefined
  readonly open: OpenTasks
  private readonly host: AcceptHost
  private readonly signingKeys: SigningKeys
  private readonly runners = new Map<string, Runner>()
  private readonly queue: { task: Task; slot: number }[] = []
  private readonly lock = new KeyedLock()
  private readonly runs = new Set<Promise<void>>()
  private stopping = false
  private tidying: NodeJS.Timeout | undefined

  constructor(host: AcceptHost, signingKeys: SigningKeys) {
    this.host = host
    this.signingKeys = signingKeys
    this.open = new OpenTasks(host.journal, host.keys)
  }

  get runningCount(): number {
    return this.runners.size
  }

  /** The output of a task that has no end. @param capped what an earlier life of the agent decided */
  openOutput(folder: TaskFolder, id: string, intent: Intent, capped: Capped | undefined): TaskOutput {
    const { issuedAtMs } = DispatchOrder.decode(Buffer.from(intent.order, 'base64'))
    const perspective = { names: this.host.names, aroundMs: Number(issuedAtMs) }
    return TaskOutput.open(folder.path, capOf(intent.spec), capped, {
      perspective,
      mask: maskOfIntent(intent, id, this.host.keys),
    })
  }

  async dispatch(dispatch: Dispatch): Promise<void> {
    const { order, authentic } = readDispatch(dispatch, this.signingKeys)
    if (!order) return log.error('a dispatch holds no order; ignored')
    if (!authentic) {
      const detail = `the order is not signed by a key that this host knows (key "${dispatch.keyId}"); check the gateway and the signing keys`
      return this.tell(refusedUpdate(order, { code: 'order_signature_invalid', detail }))
    }
    const consider = () =>
      this.lock.run(order.dispatchId.toString('hex'), () => this.consider(dispatch, order))
    // One after another, so that tasks start in the order in which they came; only a script that has to be fetched
    // holds up nobody.
    return dispatch.content.length > 0 ? this.lock.run(IN_ORDER, consider) : consider()
  }

  private async consider(dispatch: Dispatch, order: DispatchOrder): Promise<void> {
    const id = order.dispatchId.toString('hex')
    const folder = new TaskFolder(this.host.journal.taskFolder(id))
    const known = await this.open.find(id)
    if (known && !isSameTask(known, order)) return this.refuseConflict(known, order)
    if (known && !(await this.dropForeignCancel(known, order))) return this.answerKnown(known, order)
    const intent = await this.accept(dispatch, order, folder)
    if (isRefusal(intent)) return this.turnDown(order, intent, folder)
    const output = this.openOutput(folder, id, intent, undefined)
    output.sendable = true
    const task = new Task({ id, folder, intent, output })
    this.open.add(task)
    this.tell(task.update())
    this.enqueue(task, 1)
  }

  private async accept(
    dispatch: Dispatch,
    order: DispatchOrder,
    folder: TaskFolder,
  ): Promise<Intent | Refusal> {
    const { host } = this
    const id = order.dispatchId.toString('hex')
    const startsAtOnce = this.queue.length === 0 && this.runners.size < host.maxTasks
    if (startsAtOnce) host.cgroups?.prepare(id)
    let intent: Intent | Refusal | undefined
    try {
      intent = await acceptDispatch(dispatch, order, { folder, host })
      return intent
    } finally {
      if (!intent || isRefusal(intent)) host.cgroups?.remove(id)
    }
  }

  /**
   * An id that was cancelled before its dispatch came: the signed stop must name the execution of the signed order, or
   * a gateway could cancel anything with the stop of another run.
   */
  private async dropForeignCancel(task: Task, order: DispatchOrder): Promise<boolean> {
    if (!isUnclaimed(task)) return false
    const cancel = await task.folder.readCancel()
    const stop = cancel && StopOrder.decode(Buffer.from(cancel.order, 'base64'))
    if (!stop || stopApplies(stop, order)) return false
    await task.folder.remove()
    return true
  }

  /** Says no to the new order and leaves no trace: the id, and all that is told under it, stays the recorded task's. */
  private refuseConflict(known: Task, order: DispatchOrder): void {
    const recorded = known.order?.executionId ?? known.result?.executionId
    const detail = `the journal of this host holds another order under this id (execution ${recorded}): the control plane was restored from an old backup; restart a worker with a new DROVER_RECOVERY, which moves its ids ahead, then launch again`
    log.error({ taskId: known.id, code: 'dispatch_id_conflict' }, 'an order was refused')
    this.tell(refusedUpdate(order, { code: 'dispatch_id_conflict', detail }))
  }

  /** A late or repeated dispatch gets the recorded state and starts nothing. */
  private async answerKnown(task: Task, order: DispatchOrder): Promise<void> {
    // An id that was cancelled before its dispatch came learns here which rows it is about.
    if (task.result && isUnclaimed(task)) {
      task.result = { ...task.result, ...rowsOf(order), expiresAtMs: Number(order.expiresAtMs) }
      await task.folder.writeResult(task.result)
    }
    if (!task.settled) this.open.add(task)
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
    await folder.createTombstone(result)
    await this.host.journal.advance(id)
    const task = await this.open.find(id)
    if (task) this.open.add(task)
  }

  /** Tells what became of a task, or that this journal does not know it. Starts nothing. */
  async ask(dispatchId: Buffer): Promise<void> {
    const id = dispatchId.toString('hex')
    if (dispatchId.length !== 32) return
    await this.lock.run(id, async () => {
      const task = await this.open.find(id)
      this.tell(task ? task.update() : absentUpdate(dispatchId))
    })
  }

  async cancel(cancel: CancelTask): Promise<void> {
    const stop = readStop(cancel, this.signingKeys)
    if (!stop)
      return log.error({ code: 'order_signature_invalid' }, 'a cancel is not signed by a known key; ignored')
    const id = cancel.dispatchId.toString('hex')
    if (cancel.dispatchId.length !== 32) return
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
      const task = await this.open.find(id)
      if (!task) return this.cancelUnknown(id, record, { stop, expiresAtMs: Number(cancel.expiresAtMs) })
      if (task.result || !task.order || !stopApplies(stop, task.order)) return this.tell(task.update())
      await this.cancelKnown(task, record)
    })
  }

  private async cancelKnown(task: Task, cancel: Cancel): Promise<void> {
    // What ended by itself before this moment stays as it ended; a reboot has not, before the host has another boot id.
    if (!task.isReboot && (await task.folder.readExit())) return
    // A stop may be told again and again: the time of the first one is what an exit is compared with.
    if (!(await task.folder.readCancel())) {
      await task.folder.writeCancel(cancel)
      await this.host.journal.advance(task.id)
    }
    const runner = this.runners.get(task.id)
    if (runner) return runner.stop(cancel)
    const at = this.queue.findIndex((entry) => entry.task === task)
    const [entry] = at < 0 ? [] : this.queue.splice(at, 1)
    if (entry && (await task.folder.voidClaim(entry.slot))) {
      await this.finish(task, cancelledUnstarted(cancel.reason))
    }
  }

  private async cancelUnknown(
    id: string,
    cancel: Cancel,
    about: { stop: StopOrder; expiresAtMs: number },
  ): Promise<void> {
    const result: Result = {
      ...toResult(cancelledUnstarted(cancel.reason), undefined),
      executionId: String(about.stop.executionId),
      // Not signed, so it may not make this journal remember for ever.
      expiresAtMs: Math.min(about.expiresAtMs, this.host.serverNowMs() + LONGEST_CANCEL_MS),
    }
    const folder = new TaskFolder(this.host.journal.taskFolder(id))
    await folder.createTombstone(result, cancel)
    await this.host.journal.advance(id)
    // The server asked about an id that it knows; there is nothing to repeat until its dispatch comes.
    this.tell(toFinalUpdate(Buffer.from(id, 'hex'), result, { stdout: 0, stderr: 0 }))
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

  /** Records a verdict, tells it, and removes what only the run needed. */
  async finish(task: Task, verdict: Verdict): Promise<void> {
    const ends = await task.output.end((capped) => task.folder.writeCapped(capped))
    const exit = await task.folder.readExit()
    const endedUptimeMs = exit?.uptimeMs ?? uptimeMs()
    // Uptimes of two boots have nothing to do with each other.
    const comparable = exit !== undefined || task.intent?.bootId === this.host.journal.bootId
    const startedUptimeMs = comparable ? task.startedUptimeMs : undefined
    const durationMs = startedUptimeMs === undefined ? 0 : Math.max(0, endedUptimeMs - startedUptimeMs)
    const result = { ...toResult(verdict, task.order), ...ends, durationMs }
    task.result = withSaid(result, task, task.output.mask)
    task.phase = 'ended'
    await this.persistResult(task)
    await tidyTask(this.host, task)
    this.tell(task.update())
    this.listener?.output()
  }

  private async persistResult(task: Task): Promise<void> {
    try {
      await Promise.all([
        this.host.journal.advance(task.id),
        task.result ? task.folder.writeResult(task.result) : undefined,
      ])
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

  /** After recovery: removes what an earlier life left behind, and looks for empty cgroups now and then. */
  async tidy(): Promise<void> {
    await tidyScripts(this.host, this.open.all())
    await tidyCgroups(this.host, this.open.all())
    this.tidying = setInterval(() => void tidyCgroups(this.host, this.open.all()), TIDY_MS)
    this.tidying.unref()
  }

  /** Stops watching; scripts run on, and the next life of the agent finds them. */
  async stop(): Promise<void> {
    this.stopping = true
    clearInterval(this.tidying)
    this.queue.length = 0
    for (const runner of this.runners.values()) runner.detach()
    await Promise.allSettled(this.runs)
    await this.open.close()
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
        for (let now = verdict; now; ) now = await this.conclude(runner, now)
      })
      .catch((error: unknown) => log.error({ taskId: task.id, err: error }, 'watching a task failed'))
      .finally(() => {
        this.runners.delete(task.id)
        this.runs.delete(work)
        this.startNext()
      })
    this.runs.add(work)
  }

  /** Records a verdict; or finds the next one, outside the lock, where a cancel has overtaken it. */
  private async conclude(runner: Runner, verdict: Verdict): Promise<Verdict | undefined> {
    const { task } = runner
    const isOvertaken = await this.lock.run(task.id, async () => {
      if (runner.isOvertaken(verdict)) return true
      await this.finish(task, verdict)
      return false
    })
    return isOvertaken ? runner.reconsider() : undefined
  }

  private tell(update: TaskUpdate): void {
    this.listener?.update(update)
  }
}
