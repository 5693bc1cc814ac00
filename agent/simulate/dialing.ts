/**
 * How many hosts of one program dial at a time. Each real host shakes hands on a processor of its own; here all share one,
 * and a thousand that begin together would all be given up by the other side before any of them was done.
 */

const AT_ONCE = 32

// A gateway that accepts and then says nothing must not hold up those that have another one to go to.
const TURN_MS = 2_000

export class Dialing {
  private left = AT_ONCE
  private readonly queue: (() => void)[] = []

  /** Resolves in the caller's turn. @returns gives the turn on: when the session is up or has failed, and after 2 s by itself */
  async enter(): Promise<() => void> {
    if (this.left > 0) this.left--
    else await new Promise<void>((resolve) => this.queue.push(resolve))
    let held = true
    const leave = () => {
      if (!held) return
      held = false
      clearTimeout(timer)
      const next = this.queue.shift()
      if (next) next()
      else this.left++
    }
    const timer = setTimeout(leave, TURN_MS).unref()
    return leave
  }
}
