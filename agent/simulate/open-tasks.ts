/** The tasks of one simulated host that somebody still waits for; what is over and settled is in the records alone. */
import type { OutputChunk, OutputStream, TaskUpdate } from '../../proto/index.js'
import type { SessionTasks } from '../session/session.js'
import { SimulatedOutput } from './output.js'
import type { Records } from './records.js'
import { SimulatedTask } from './task.js'

export class SimulatedOpenTasks {
  private readonly live = new Map<string, SimulatedTask>()
  private readonly host: string
  private readonly records: Records

  constructor(host: string, records: Records) {
    this.host = host
    this.records = records
    for (const id of records.unsettled(host)) {
      const task = this.find(id)
      // Of an id that was cancelled before its dispatch came there is nothing to tell until then.
      if (task?.result && task.result.stepExecutionId !== '0') this.add(task)
    }
  }

  all(): SimulatedTask[] {
    return [...this.live.values()]
  }

  add(task: SimulatedTask): void {
    this.live.set(task.id, task)
  }

  /** The task of that id: open, or over and recorded. */
  find(id: string): SimulatedTask | undefined {
    const live = this.live.get(id)
    if (live) return live
    const record = this.records.find(id)
    if (!record) return undefined
    const { result, stdout, stderr } = record
    const output = new SimulatedOutput(Number.MAX_SAFE_INTEGER, { stdout, stderr })
    const task = new SimulatedTask({ id, order: undefined, output, result })
    task.settled = !this.records.isUnsettled(this.host, id)
    if (task.settled) {
      output.stdout.resume(output.stdout.kept)
      output.stderr.resume(output.stderr.kept)
    }
    return task
  }

  unsettled(): TaskUpdate[] {
    return this.all().map((task) => task.update())
  }

  holdOutput(): void {
    for (const { output } of this.live.values()) {
      output.sendable = false
      output.stdout.resume(output.stdout.acked)
      output.stderr.resume(output.stderr.acked)
    }
  }

  settle: SessionTasks['open']['settle'] = async (dispatchId) => {
    const task = this.live.get(dispatchId.toString('hex'))
    if (!task?.result) return
    task.settled = true
    this.dropIfDone(task)
  }

  async acknowledge(dispatchId: Buffer, stream: OutputStream, offset: bigint): Promise<number> {
    const task = this.live.get(dispatchId.toString('hex'))
    const freed = task?.output.stream(stream)?.acknowledge(Number(offset)) ?? 0
    if (task) this.dropIfDone(task)
    return freed
  }

  async resumeOutput(dispatchId: Buffer, stdout: bigint, stderr: bigint): Promise<number> {
    const task = this.find(dispatchId.toString('hex'))
    if (!task) return 0
    this.add(task)
    const { output } = task
    const underWay = [output.stdout, output.stderr].map((stream) => stream.sent - stream.acked)
    output.stdout.resume(Number(stdout))
    output.stderr.resume(Number(stderr))
    output.sendable = true
    this.dropIfDone(task)
    return underWay.reduce((sum, bytes) => sum + Math.max(0, bytes), 0)
  }

  /** The next chunk to send, tasks taking turns. */
  async nextChunk(maxBytes: number): Promise<OutputChunk | undefined> {
    for (const [id, task] of this.live) {
      const piece = task.output.nextChunk(maxBytes)
      if (!piece) continue
      this.live.delete(id)
      this.live.set(id, task)
      return { dispatchId: task.dispatchId, ...piece, inflatedBytes: 0, atMs: BigInt(task.runningForMs ?? 0) }
    }
    return undefined
  }

  /** Forgets a task that nobody waits for any more. */
  private dropIfDone(task: SimulatedTask): void {
    if (!task.result || !task.settled || !task.output.isAcknowledged) return
    this.live.delete(task.id)
    if (this.records.isUnsettled(this.host, task.id)) this.records.settle(this.host, task.id)
  }
}
