/** All tasks of one simulated host: orders are read, refused, answered and cancelled as on a real one; nothing is run. */
import { delay } from '../../base/backoff.js'
import { createLogger } from '../../base/logger.js'
import { ownNames } from '../../base/normalise.js'
import { type CancelTask, type Dispatch, type DispatchOrder, StopOrder } from '../../proto/index.js'
import type { SessionTasks } from '../session/session.js'
import { KeyedLock } from '../task/lock.js'
import { readDispatch, readStop, type SigningKeys, stopApplies } from '../task/order.js'
import { isRefusal, type Refusal } from '../task/refusal.js'
import { absentUpdate, refusedUpdate, rowsOf, toResult } from '../task/result.js'
import { isSameTask, isUnclaimed } from '../task/task.js'
import type { TaskListener } from '../task/tasks.js'
import { cancelledUnstarted, rejected, type Verdict } from '../task/verdict.js'
import { type Accepted, acceptOrder } from './accept.js'
import { drawStart } from './draw.js'
import type { Group } from './groups.js'
import { SimulatedOpenTasks } from './open-tasks.js'
import { SimulatedOutput } from './output.js'
import { cancelled, type Moment, planMoments } from './play.js'
import type { EndRecord, Records } from './records.js'
import { readScript } from './script.js'
import { SimulatedTask } from './task.js'

const log = createLogger('simulate:tasks')

const LONGEST_CANCEL_MS = 30 * 86_400_000
const RETRY_MS = 2_000
const MAX_TIMER_MS = 2 ** 31 - 1

export interface TasksHost {
  name: string
  hostId: string
  journalId: string
  group: Group
  seed: number
  records: Records
  signingKeys: SigningKeys
  serverNowMs(): number
  /** Something was written that a real journal would count. */
  advance(): void
  fetchScript(digest: Buffer, bytes: number): Promise<Buffer>
}

export class SimulatedTasks implements SessionTasks {
  listener: TaskListener | undefined
  readonly open: SimulatedOpenTasks
  runningCount = 0
  private readonly host: TasksHost
  private readonly lock = new KeyedLock()
  private stopped = false

  constructor(host: TasksHost) {
    this.host = host
    this.open = new SimulatedOpenTasks(host.name, host.records)
  }

  async dispatch(dispatch: Dispatch): Promise<void> {
    await this.lag()
    const { order, authentic } = readDispatch(dispatch, this.host.signingKeys)
    if (!order) return
    if (!authentic) {
      const detail = `the order is not signed by a key that this host knows (key "${dispatch.keyId}")`
      return this.listener?.update(refusedUpdate(order, { code: 'order_signature_invalid', detail }))
    }
    await this.lock.run(order.dispatchId.toString('hex'), () => this.consider(dispatch, order))
  }

  async cancel(cancel: CancelTask): Promise<void> {
    await this.lag()
    const stop = readStop(cancel, this.host.signingKeys)
    if (!stop || cancel.dispatchId.length !== 32) return
    const id = cancel.dispatchId.toString('hex')
    await this.lock.run(id, async () => {
      const task = this.open.find(id)
      if (!task) return this.cancelUnknown(id, cancel, stop)
      if (task.result || !task.order || !stopApplies(stop, task.order)) return this.tell(task)
      this.finish(task, cancelled(stop.reason))
    })
  }

  async ask(dispatchId: Buffer): Promise<void> {
    await this.lag()
    const task = this.open.find(dispatchId.toString('hex'))
    if (task) this.tell(task)
    else this.listener?.update(absentUpdate(dispatchId))
  }

  /** Leaves everything as a killed agent would: what has not ended is found as interrupted. */
  stop(): void {
    this.stopped = true
    for (const task of this.open.all()) clearTimeout(task.timer)
  }

  private async lag(): Promise<void> {
    if (this.host.group.lagMs > 0) await delay(this.host.group.lagMs)
  }

  private async consider(dispatch: Dispatch, order: DispatchOrder): Promise<void> {
    if (this.stopped) return
    const id = order.dispatchId.toString('hex')
    const known = this.open.find(id)
    if (known && !isSameTask(known, order)) return this.refuseConflict(known, order)
    if (known && !this.dropForeignCancel(known, order)) return this.answerKnown(known, order)
    const { hostId, journalId } = this.host
    const context = { hostId, journalId, serverNowMs: this.host.serverNowMs() }
    const accepted = await acceptOrder(dispatch, order, context, (digest, bytes) =>
      this.host.fetchScript(digest, bytes),
    )
    if (isRefusal(accepted)) return this.turnDown(order, accepted)
    this.start(order, accepted)
  }

  private start(order: DispatchOrder, { script, content }: Accepted): void {
    if (this.stopped) return
    const { host } = this
    const id = order.dispatchId.toString('hex')
    const perspective = { names: ownNames([host.name]), aroundMs: Number(order.issuedAtMs) }
    const output = new SimulatedOutput(
      Number(script.outputCapBytes) || Number.MAX_SAFE_INTEGER,
      {},
      perspective,
    )
    output.sendable = true
    const task = new SimulatedTask({ id, order, output })
    const draw = drawStart(host.seed, host.name, host.records.startCount(host.name), host.group)
    this.tell(task)
    try {
      host.records.start(host.name, id, order)
    } catch (error) {
      return this.turnDown(order, { code: 'agent_disk_full', detail: (error as Error).message })
    }
    host.advance()
    this.open.add(task)
    this.runningCount += 1
    task.startedAt = performance.now()
    this.tell(task)
    this.play(task, planMoments(script, readScript(content), draw, host.group))
  }

  private play(task: SimulatedTask, moments: Moment[]): void {
    for (let moment = moments.shift(); moment; moment = moments.shift()) {
      const waitMs = moment.atMs - (task.runningForMs ?? 0)
      if (waitMs > 0) {
        moments.unshift(moment)
        task.timer = setTimeout(() => this.play(task, moments), Math.min(waitMs, MAX_TIMER_MS))
        return
      }
      moment.write?.(task.output)
      if (moment.verdict) this.finish(task, moment.verdict)
      else this.listener?.output()
    }
  }

  private finish(task: SimulatedTask, verdict: Verdict): void {
    clearTimeout(task.timer)
    task.timer = undefined
    this.runningCount -= 1
    const durationMs = task.runningForMs ?? 0
    const [stdout, stderr] = [task.output.stdout.describe(), task.output.stderr.describe()]
    task.result = { ...toResult(verdict, task.order), durationMs, stdout, stderr }
    this.record(task)
    this.tell(task)
    this.listener?.output()
  }

  private record(task: SimulatedTask, stop?: string): void {
    const { result, output } = task
    if (!result) return
    const seeds = { stdout: output.stdout.seed, stderr: output.stderr.seed }
    const record: EndRecord = { id: task.id, host: this.host.name, result, ...seeds }
    try {
      this.host.advance()
      this.host.records.end(stop ? { ...record, stop } : record)
    } catch (error) {
      log.error({ taskId: task.id, err: error }, 'an end could not be recorded; will try again')
      setTimeout(() => this.record(task, stop), RETRY_MS).unref()
    }
  }

  /** A stop that was signed for another execution than the order: it is none for this one. */
  private dropForeignCancel(task: SimulatedTask, order: DispatchOrder): boolean {
    if (!isUnclaimed(task)) return false
    const { stop } = this.host.records.find(task.id) ?? {}
    if (!stop || stopApplies(StopOrder.decode(Buffer.from(stop, 'base64')), order)) return false
    this.host.records.forget(this.host.name, task.id)
    return true
  }

  private refuseConflict(known: SimulatedTask, order: DispatchOrder): void {
    const recorded = known.order?.executionId ?? known.result?.executionId
    const detail = `this host holds another order under this id (execution ${recorded}): the control plane was restored from an old backup`
    this.listener?.update(refusedUpdate(order, { code: 'dispatch_id_conflict', detail }))
  }

  private answerKnown(task: SimulatedTask, order: DispatchOrder): void {
    // An id that was cancelled before its dispatch came learns here which rows it is about.
    if (task.result && isUnclaimed(task)) {
      task.result = { ...task.result, ...rowsOf(order), expiresAtMs: Number(order.expiresAtMs) }
      this.record(task)
    }
    if (!task.settled) this.open.add(task)
    this.tell(task)
  }

  private turnDown(order: DispatchOrder, refusal: Refusal): void {
    // Orders that were not for this host leave no trace.
    if (!refusal.code.startsWith('order_')) {
      const id = order.dispatchId.toString('hex')
      const result = toResult(rejected(refusal.code, refusal.detail), order)
      const task = new SimulatedTask({ id, order, output: new SimulatedOutput(0), result })
      this.open.add(task)
      this.record(task)
    }
    this.listener?.update(refusedUpdate(order, refusal))
  }

  private cancelUnknown(id: string, cancel: CancelTask, stop: StopOrder): void {
    const result = {
      ...toResult(cancelledUnstarted(stop.reason), undefined),
      executionId: String(stop.executionId),
      // Not signed, so it may not make anybody remember for ever.
      expiresAtMs: Math.min(Number(cancel.expiresAtMs), this.host.serverNowMs() + LONGEST_CANCEL_MS),
    }
    const task = new SimulatedTask({ id, order: undefined, output: new SimulatedOutput(0), result })
    this.record(task, cancel.order.toString('base64'))
    this.tell(task)
  }

  private tell(task: SimulatedTask): void {
    this.listener?.update(task.update())
  }
}
