/** Flags of the executions that run here: pause, cancel and the signed stop, looked at each second and at every hint. */
import type { Logger } from '../../base/logger.js'
import { Lookout } from '../../base/lookout.js'
import type { ExecutionId } from '../../domain/id.js'
import type { HintListener } from '../../store/postgres/hints.js'
import type { Pool } from '../../store/postgres/pool.js'
import { type ExecutionFlags, listExecutionFlags } from '../../store/postgres/shards.js'

type Watcher = (flags: ExecutionFlags) => void

const LOOK_EVERY_MS = 1_000

export class FlagWatch implements Disposable {
  private readonly watchers = new Map<ExecutionId, Set<Watcher>>()
  private readonly lookout: Lookout
  private readonly off: () => void
  private readonly pool: Pool

  constructor(pool: Pool, hints: HintListener, logger: Logger) {
    this.pool = pool
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      onError: (err) =>
        logger.warn({ err }, 'the flags of executions cannot be read; looking again in a second'),
    })
    this.off = hints.on('flags', () => this.lookout.poke())
  }

  /** @returns a function that takes the watcher away */
  watch(executionId: ExecutionId, watcher: Watcher): () => void {
    const set = this.watchers.get(executionId) ?? new Set()
    this.watchers.set(executionId, set.add(watcher))
    return () => {
      set.delete(watcher)
      if (!set.size) this.watchers.delete(executionId)
    }
  }

  private async look(): Promise<void> {
    if (!this.watchers.size) return
    for (const flags of await listExecutionFlags(this.pool, [...this.watchers.keys()])) {
      for (const tell of this.watchers.get(flags.executionId) ?? []) tell(flags)
    }
  }

  [Symbol.dispose](): void {
    void this.lookout.stop()
    this.off()
  }
}
