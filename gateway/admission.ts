/** Admission: how many newcomers are let in at a time, in the order in which they came, so that those inside are still served. */

interface Waiting {
  resolve: (leave: () => void) => void
  isGone: () => boolean
}

export class Admission {
  private inside = 0
  private readonly queue: Waiting[] = []
  private readonly most: number
  private readonly leaseMs: number

  /**
   * @param most how many are inside at once
   * @param leaseMs after which a place is given on, whether its holder is done or not: one who does nothing holds nobody up
   */
  constructor(most: number, leaseMs: number) {
    this.most = most
    this.leaseMs = leaseMs
  }

  /** How many wait. */
  get waiting(): number {
    return this.queue.length
  }

  /**
   * Resolves with what gives the place back, when there is one; never for somebody who has gone meanwhile.
   * @param isGone whether the newcomer is still there, asked when its turn comes
   */
  enter(isGone: () => boolean): Promise<() => void> {
    return new Promise((resolve) => {
      this.queue.push({ resolve, isGone })
      this.admit()
    })
  }

  private admit(): void {
    while (this.inside < this.most) {
      const next = this.queue.shift()
      if (!next) return
      if (next.isGone()) continue
      this.inside++
      next.resolve(this.lease())
    }
  }

  private lease(): () => void {
    let held = true
    const leave = () => {
      if (!held) return
      held = false
      clearTimeout(timer)
      this.inside--
      this.admit()
    }
    const timer = setTimeout(leave, this.leaseMs).unref()
    return leave
  }
}
