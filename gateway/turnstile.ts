/** A turnstile: lets newcomers in by the handful, each time the event loop has come round to everybody who is inside. */

interface Waiting {
  enter: () => void
  isGone: () => boolean
}

// A pause that stretches by itself when the loop is busy: those inside are served between two handfuls.
const TURN_MS = 10

export class Turnstile {
  private readonly queue: Waiting[] = []
  private turn: NodeJS.Timeout | undefined
  private left: number
  private closed = false
  private readonly perTurn: number
  private readonly isFull: () => boolean

  /**
   * @param perTurn how many at a time; a handful's work is what those inside may have to wait for
   * @param isFull whether those who were let in before are still too many to let in more
   */
  constructor(perTurn: number, isFull: () => boolean) {
    this.perTurn = perTurn
    this.left = perTurn
    this.isFull = isFull
  }

  /** How many wait. */
  get waiting(): number {
    return this.queue.length
  }

  /**
   * Calls `enter` in the caller's turn, at once where nobody waits; never for somebody who has gone meanwhile.
   * A newcomer who does nothing then holds nobody up: what is rationed is the work of letting in, not a place.
   */
  admit(newcomer: Waiting): void {
    if (this.closed) return
    this.queue.push(newcomer)
    this.letIn()
    this.turn ??= setTimeout(() => this.next(), TURN_MS)
  }

  close(): void {
    this.closed = true
    clearTimeout(this.turn)
    this.queue.length = 0
  }

  private next(): void {
    this.turn = undefined
    this.left = this.perTurn
    this.letIn()
    if (this.queue.length) this.turn = setTimeout(() => this.next(), TURN_MS)
  }

  private letIn(): void {
    while (this.left > 0 && this.queue.length && !this.isFull()) {
      const next = this.queue.shift()
      if (!next || next.isGone()) continue
      this.left--
      next.enter()
    }
  }
}
