/**
 * How many hosts of one program dial at a time. Each real host shakes hands on a processor of its own; here all share one,
 * and a thousand that begin together would all be given up by the other side before any of them was done.
 */

const AT_ONCE = 32

export class Dialing {
  private left = AT_ONCE
  private readonly queue: (() => void)[] = []

  /** Resolves in the caller's turn. @returns gives the turn on, when the session is up or has failed */
  async enter(): Promise<() => void> {
    if (this.left > 0) this.left--
    else await new Promise<void>((resolve) => this.queue.push(resolve))
    let held = true
    return () => {
      if (!held) return
      held = false
      const next = this.queue.shift()
      if (next) next()
      else this.left++
    }
  }
}
