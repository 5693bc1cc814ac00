/** Waiting for news of an execution: woken by a hint, and by the clock where the hint was missed. */
import type { ExecutionId } from '../domain/id.js'
import type { HintListener } from '../store/postgres/hints.js'

/** Viewers look again this often, whatever they hear: a hint may be lost with the process that was to give it, or among too many. */
const LOOK_AGAIN_MS = 3_000

export class ExecutionSignals {
  private readonly waiting = new Map<string, Set<() => void>>()
  private readonly off: () => void

  constructor(hints: HintListener) {
    this.off = hints.on('executions', (payload) => {
      if (payload === undefined) for (const id of this.waiting.keys()) this.wake(id)
      else for (const id of payload.split(',')) this.wake(id)
    })
  }

  private wake(executionId: string): void {
    for (const wake of this.waiting.get(executionId) ?? []) wake()
  }

  /** Resolves at the next hint for the execution, after `ms`, or when `ended` aborts; never rejects. */
  wait(executionId: ExecutionId, ended: AbortSignal, ms = LOOK_AGAIN_MS): Promise<void> {
    if (ended.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const set = this.waiting.get(executionId) ?? new Set()
      this.waiting.set(executionId, set)
      const done = () => {
        clearTimeout(timer)
        ended.removeEventListener('abort', done)
        set.delete(done)
        if (!set.size && this.waiting.get(executionId) === set) this.waiting.delete(executionId)
        resolve()
      }
      const timer = setTimeout(done, ms)
      ended.addEventListener('abort', done)
      set.add(done)
    })
  }

  close(): void {
    this.off()
    for (const id of this.waiting.keys()) this.wake(id)
  }
}
