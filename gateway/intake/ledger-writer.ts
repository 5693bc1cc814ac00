/** Writes what agents tell into the ledger, in batches: one statement at a time, each taking all that has gathered. */
import { delay, fullJitter } from '../../base/backoff.js'
import type { Logger } from '../../base/logger.js'
import { isFinalHostState, stateRank } from '../../domain/host-result.js'
import { findSettled, type HostUpdate, writeHostUpdates } from '../../store/postgres/ledger.js'
import type { Pool } from '../../store/postgres/pool.js'
import type { HintSender } from './hints-out.js'

/** Most updates of one statement, which holds the row of its run: an operator who pauses it waits for no more of them (what each takes: docs/sizing.md). */
const BATCH = 500

/** News of a beginning waits so long for the end: most scripts are short, and then their end is all that is written. */
const GATHER_MS = 50

/** Called after the commit of a final update; `settled` is false where the ledger has no final row for it. */
export type OnWritten = (settled: boolean) => void

interface Entry {
  update: HostUpdate
  /** When it came, by `performance.now()`. */
  at: number
  onWritten: OnWritten[]
}

export class LedgerWriter {
  /** Since the process started: updates that moved a row, that changed none (late, repeated or of an older attempt), that the database refused. */
  readonly counts = { written: 0, unchanged: 0, dropped: 0 }
  private readonly queue = new Map<string, Entry>()
  private blockedSince: number | undefined
  private running: Promise<void> | undefined
  private endCame: () => void = () => {}
  private readonly pool: Pool
  private readonly hints: HintSender
  private readonly logger: Logger

  constructor(pool: Pool, hints: HintSender, logger: Logger) {
    this.pool = pool
    this.hints = hints
    this.logger = logger
  }

  get depth(): number {
    return this.queue.size
  }

  /** How long the ledger has not taken what waits for it; 0 while it does. */
  get blockedMs(): number {
    return this.blockedSince === undefined ? 0 : Date.now() - this.blockedSince
  }

  /** Queues an update; a later one of the same attempt takes the place of an earlier one that is still queued. */
  add(update: HostUpdate, onWritten?: OnWritten): void {
    const key = `${update.stepExecutionId}/${update.hostId}/${update.attempt}`
    const before = this.queue.get(key)
    const isBehind = before && stateRank(before.update.state) > stateRank(update.state)
    this.queue.set(key, {
      ...(isBehind ? before : { update, at: performance.now() }),
      onWritten: [...(before?.onWritten ?? []), ...(onWritten ? [onWritten] : [])],
    })
    if (isFinalHostState(update.state)) this.endCame()
    this.running ??= this.run().finally(() => {
      this.running = undefined
    })
  }

  /** Resolves when all that was queued is written. */
  async drain(): Promise<void> {
    while (this.running) await this.running
  }

  private async run(): Promise<void> {
    // Let what arrives in the same turn of the loop join the first batch.
    await new Promise((resolve) => setImmediate(resolve))
    for (let failures = 0; this.queue.size; ) {
      if (this.queue.size < BATCH) await this.gather()
      const batch = [...this.queue].slice(0, BATCH)
      for (const [key] of batch) this.queue.delete(key)
      try {
        await this.writeOrSplit(batch.map(([, entry]) => entry))
        failures = 0
        this.blockedSince = undefined
      } catch (err) {
        this.blockedSince ??= Date.now()
        this.logger.warn({ err, updates: batch.length }, 'the ledger cannot be written; trying again')
        this.putBack(batch)
        await delay(fullJitter(failures++, Math.random(), 100, 5_000) + 50)
      }
    }
  }

  /** Waits a moment where no end is to be written, or until there is one. */
  private async gather(): Promise<void> {
    for (const { update } of this.queue.values()) if (isFinalHostState(update.state)) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS)
      this.endCame = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.endCame = () => {}
  }

  private putBack(batch: [string, Entry][]): void {
    for (const [key, entry] of batch) {
      const newer = this.queue.get(key)
      const isBehind = newer && stateRank(newer.update.state) >= stateRank(entry.update.state)
      this.queue.set(key, {
        ...(isBehind ? newer : entry),
        onWritten: [...entry.onWritten, ...(newer?.onWritten ?? [])],
      })
    }
  }

  /** Finds the one update that the database cannot take, so that it holds up nobody else's. */
  private async writeOrSplit(entries: Entry[]): Promise<void> {
    try {
      await this.write(entries)
    } catch (err) {
      if (!isRefusal(err)) throw err
      const [first] = entries
      if (first && entries.length === 1) {
        this.counts.dropped++
        const { hostId, stepExecutionId } = first.update
        this.logger.error(
          { err, hostId, stepExecutionId },
          'the ledger refuses what a host told; it is dropped',
        )
        return
      }
      const half = Math.ceil(entries.length / 2)
      await this.writeOrSplit(entries.slice(0, half))
      await this.writeOrSplit(entries.slice(half))
    }
  }

  private async write(entries: Entry[]): Promise<void> {
    const updates = entries.map(toldNow)
    const changed = await writeHostUpdates(this.pool, updates)
    this.counts.written += changed
    this.counts.unchanged += updates.length - changed
    for (const executionId of new Set(updates.map((update) => update.executionId)))
      this.hints.add(executionId)
    const awaited = entries.filter(({ onWritten }) => onWritten.length)
    if (!awaited.length) return
    const settled = await findSettled(
      this.pool,
      awaited.map(({ update }) => update),
    )
    for (const { update, onWritten } of awaited) {
      const done = settled.has(`${update.stepExecutionId}/${update.hostId}/${update.attempt}`)
      for (const tell of onWritten) tell(done)
    }
  }
}

/** Its script began so much longer ago than when it came: news wait here, seconds where the ledger is away. */
function toldNow({ update, at }: Entry): HostUpdate {
  if (update.startedAgoMs === undefined) return update
  return { ...update, startedAgoMs: update.startedAgoMs + performance.now() - at }
}

/** Whether the database refuses the data itself (SQLSTATE classes 22 and 23): trying again cannot help. */
function isRefusal(err: unknown): boolean {
  const code = (err as { code?: unknown }).code
  return typeof code === 'string' && /^2[23]/.test(code)
}
