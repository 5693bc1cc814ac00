/** One task of a simulated host: its order, how far its play is, and what is told of it. */
import type { DispatchOrder, TaskUpdate } from '../../proto/index.js'
import { type Result, toFinalUpdate } from '../journal/records.js'
import { toLiveUpdate } from '../task/result.js'
import type { SimulatedOutput } from './output.js'

export class SimulatedTask {
  readonly id: string
  readonly dispatchId: Buffer
  /** Undefined for one that is known by its end alone. */
  readonly order: DispatchOrder | undefined
  readonly output: SimulatedOutput
  /** Nothing is journalled but the end. */
  readonly intent = undefined
  result: Result | undefined
  settled = false
  /** Monotonic, ms. */
  startedAt: number | undefined
  timer: NodeJS.Timeout | undefined

  constructor(start: {
    id: string
    order: DispatchOrder | undefined
    output: SimulatedOutput
    result?: Result
  }) {
    this.id = start.id
    this.dispatchId = Buffer.from(start.id, 'hex')
    this.order = start.order
    this.output = start.output
    this.result = start.result
  }

  get runningForMs(): number | undefined {
    return this.startedAt === undefined ? undefined : Math.round(performance.now() - this.startedAt)
  }

  update(): TaskUpdate {
    if (this.result) return toFinalUpdate(this.dispatchId, this.result, this.output.acked())
    return toLiveUpdate(this.dispatchId, this.order, this.runningForMs)
  }
}
