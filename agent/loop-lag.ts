/** How late this process comes to its own timers: the longest delay since it was last asked. */

// One wake-up a second: the built-in histogram takes fifty, which is most of an idle agent's CPU.
const EVERY_MS = 1_000

export class LoopLag {
  private worstMs = 0
  private timer: NodeJS.Timeout | undefined

  start(): void {
    let due = performance.now() + EVERY_MS
    this.timer = setInterval(() => {
      const now = performance.now()
      this.worstMs = Math.max(this.worstMs, now - due)
      due = now + EVERY_MS
    }, EVERY_MS)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  /** @returns whole ms, and begins anew */
  take(): number {
    const worst = this.worstMs
    this.worstMs = 0
    return Math.round(worst)
  }
}
