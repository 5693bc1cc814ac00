/** A lookout: looks again and again, at its time and whenever it is poked, and never twice at once. */

export interface LookoutOptions {
  everyMs: number
  look: () => Promise<void>
  /** Told of a look that failed; the next one comes all the same. */
  onError: (error: unknown) => void
}

export class Lookout {
  private readonly options: LookoutOptions
  private readonly timer: NodeJS.Timeout
  private looking: Promise<void> | undefined
  private again = false
  private stopped = false

  constructor(options: LookoutOptions) {
    this.options = options
    this.timer = setInterval(() => {
      // A look that takes longer than that is followed by a pause, not by the next one.
      if (!this.looking) this.poke()
    }, options.everyMs)
  }

  /** Looks at once; a look that is under way is followed by another, for it may have missed what this is about. */
  poke(): void {
    if (this.stopped) return
    if (this.looking) {
      this.again = true
      return
    }
    this.looking = this.options
      .look()
      .catch((error: unknown) => {
        if (!this.stopped) this.options.onError(error)
      })
      .finally(() => {
        this.looking = undefined
        if (!this.again) return
        this.again = false
        this.poke()
      })
  }

  /** Looks no more. Resolves when the look that is under way is over, for whoever has to wait for it. */
  async stop(): Promise<void> {
    this.stopped = true
    this.again = false
    clearInterval(this.timer)
    await this.looking
  }
}
