/** Whether the journal may take another task: its own quota, and the inodes of its disk. */
import { statfs } from 'node:fs/promises'
import { createLogger } from '../../base/logger.js'
import type { Journal } from './journal.js'
import { sweepJournal } from './sweep.js'

const log = createLogger('agent:journal')

const SWEEP_MS = 5 * 60_000
// A task takes about twenty files while it runs.
const MIN_FREE_INODES = 1_000
// Between two refusals the journal is not walked again for each order.
const RECHECK_MS = 5_000

export interface QuotaInput {
  journal: Journal
  quotaBytes: number
  serverNowMs: () => number | undefined
  isLive: (id: string) => boolean
}

export class Quota {
  full = false
  private readonly input: QuotaInput
  private heldBytes = 0
  private checkedAt = Number.NEGATIVE_INFINITY
  private timer: NodeJS.Timeout | undefined

  constructor(input: QuotaInput) {
    this.input = input
  }

  /** Sweeps now and then until stopped. */
  start(): void {
    const again = () => {
      this.timer = setTimeout(() => void this.sweep(false).finally(again), SWEEP_MS)
      this.timer.unref()
    }
    again()
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  /** Walks the journal again when the last answer is old, and frees what may go before it says no. */
  async isFull(): Promise<boolean> {
    if (performance.now() - this.checkedAt > RECHECK_MS) {
      await this.sweep(false)
      if (this.full) await this.sweep(true)
    }
    return this.full
  }

  async freeBytes(): Promise<number> {
    const disk = await statfs(this.input.journal.folder)
    return Math.max(0, Math.min(this.input.quotaBytes - this.heldBytes, disk.bavail * disk.bsize))
  }

  private async sweep(urgent: boolean): Promise<void> {
    const { journal, quotaBytes, isLive } = this.input
    this.checkedAt = performance.now()
    try {
      this.heldBytes = await sweepJournal({ journal, serverNowMs: this.input.serverNowMs(), isLive, urgent })
      const disk = await statfs(journal.folder)
      // Some file systems make inodes as they go and report none.
      const fewInodes = disk.files > 0 && disk.ffree < MIN_FREE_INODES
      this.full = this.heldBytes >= quotaBytes || fewInodes
    } catch (error) {
      log.warn({ err: error }, 'the journal could not be swept')
    }
  }
}
