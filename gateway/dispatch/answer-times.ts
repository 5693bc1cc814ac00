/** How long agents take to answer an order: by then it is in their journal, flushed. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { SessionTask } from '../session/session.js'

const MICROSECONDS_PER_MS = 1_000

export class AnswerTimes {
  private times: RecordableHistogram = createHistogram()

  /** The first word about a task since its order was sent. */
  took(task: SessionTask): void {
    if (task.sentAt === undefined) return
    this.times.record(Math.max(1, Math.round((performance.now() - task.sentAt) * MICROSECONDS_PER_MS)))
    task.sentAt = undefined
  }

  /** Seconds, by quantile, of those since the last call; empty when there were none. */
  read(): Record<string, number> {
    const { times } = this
    this.times = createHistogram()
    if (times.count === 0) return {}
    const at = (percent: number) => times.percentile(percent) / MICROSECONDS_PER_MS / 1_000
    return { '0.5': at(50), '0.99': at(99), '1': times.max / MICROSECONDS_PER_MS / 1_000 }
  }
}
