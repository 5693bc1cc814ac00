/** One line that stays on screen and is drawn over; plain lines where there is no terminal. */
import { tone } from '../console.js'

// Without a terminal a line a second would only fill a log.
const PLAIN_EVERY_MS = 5_000

export class StatusLine {
  private drawn = false
  private plainAt = 0

  /** Replaces the line. */
  show(text: string, now: number): void {
    if (process.stdout.isTTY) {
      // A terminal that does not know its width says 0.
      process.stdout.write(`\r\x1b[K${text.slice(0, (process.stdout.columns || 80) - 1)}`)
      this.drawn = true
      return
    }
    if (now - this.plainAt < PLAIN_EVERY_MS) return
    this.plainAt = now
    process.stdout.write(`  ${text}\n`)
  }

  /** A line that stays, above the one that is drawn over. */
  say(text: string): void {
    this.end()
    process.stdout.write(`  ${tone('bad', '✗')} ${text}\n`)
  }

  /** Leaves what is drawn as it is. */
  end(): void {
    if (this.drawn) process.stdout.write('\r\x1b[K')
    this.drawn = false
  }
}
