/** Whether the journal may take another task: its own quota, and the inodes of its disk. */
import { statfs } from 'node:fs/promises'
import { createLogger } from '../../base/logger.js'
import type { Journal } from './journal.js'
import { Held } from './sweep.js'

const log = createLogger('agent:journal')

const SWEEP_MS = 5 * 60_000
// Tombstones stay for days: the walk over all of them may be seldom.
const SWEEPS_AN_EXPIRY = 12
// A task takes about twenty files while it runs.
const MIN_FREE_INODES = 1_000
// Files of tasks are not looked at again for each order.
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
  private readonly held: Held
  private found: Promise<void> | undefined
  private heldBytes = 0
  private diskFreeBytes = 0
  private measuring: Promise<void> | undefined
  private checkedAt = Number.NEGATIVE_INFINITY
  private roomMadeAt = Number.NEGATIVE_INFINITY
  private making: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(input: QuotaInput) {
    this.input = input
    this.held = new Held(input.journal)
  }

  /** Looks at what there is, and sweeps now and then until stopped. */
  start(): void {
    this.measure()
    void this.check()
    let sweeps = 0
    const again = () => {
      this.timer = setTimeout(() => {
        sweeps++
        void this.tidy(sweeps % SWEEPS_AN_EXPIRY === 0).finally(again)
      }, SWEEP_MS)
      this.timer.unref()
    }
    again()
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  /** Looks at the disk when the last answer is old, and frees what may go before it says no. */
  async isFull(): Promise<boolean> {
    if (performance.now() - this.checkedAt > RECHECK_MS) {
      await this.check()
      if (this.full) await this.attempt(() => this.held.sweep(this.sweepInput(true)))
      if (this.full) await this.check()
    }
    return this.full
  }

  /**
   * Frees what may go, because the disk is short of room for other reasons than the journal's quota.
   * @returns false if that was tried a moment ago
   */
  async makeRoom(): Promise<boolean> {
    if (performance.now() - this.roomMadeAt <= RECHECK_MS) return false
    this.making ??= this.attempt(async () => {
      await this.look()
      await this.held.sweep(this.sweepInput(true))
    }).finally(() => {
      this.roomMadeAt = performance.now()
      this.making = undefined
    })
    await this.making
    return true
  }

  /** Bytes that more tasks may take, as of the last answer of the disk: who asks does not wait for one that hangs. */
  freeBytes(): number {
    this.measure()
    return Math.max(0, Math.min(this.input.quotaBytes - this.heldBytes, this.diskFreeBytes))
  }

  private measure(): void {
    this.measuring ??= statfs(this.input.journal.folder)
      .then(
        ({ bavail, bsize }) => void (this.diskFreeBytes = bavail * bsize),
        (error: unknown) => log.warn({ err: error }, 'the free room of the disk is not known'),
      )
      .finally(() => (this.measuring = undefined))
  }

  private tidy(expire: boolean): Promise<void> {
    return this.attempt(async () => {
      await this.held.sweep(this.sweepInput(false))
      if (expire) await this.held.expire(this.sweepInput(false))
    }).then(() => this.check())
  }

  private check(): Promise<void> {
    this.checkedAt = performance.now()
    return this.attempt(async () => {
      await this.look()
      this.heldBytes = this.held.bytes()
      const disk = await statfs(this.input.journal.folder)
      // Some file systems make inodes as they go and report none.
      const fewInodes = disk.files > 0 && disk.ffree < MIN_FREE_INODES
      this.full = this.heldBytes >= this.input.quotaBytes || fewInodes
    })
  }

  /** The first look at all that there is: once, whoever needs it. */
  private look(): Promise<void> {
    this.found ??= this.held.find(this.sweepInput(false)).catch((error: unknown) => {
      this.found = undefined
      throw error
    })
    return this.found
  }

  private sweepInput(urgent: boolean) {
    return { serverNowMs: this.input.serverNowMs(), isLive: this.input.isLive, urgent }
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      log.warn({ err: error }, 'the journal could not be swept')
    }
  }
}
