/** The server's clock, carried on by this host's monotonic one: a wrong wall clock here then expires nothing. */

export class ServerClock {
  private offsetMs: number | undefined

  /** The server said its time just now. */
  set(serverTimeMs: number): void {
    this.offsetMs = serverTimeMs - performance.now()
  }

  get known(): boolean {
    return this.offsetMs !== undefined
  }

  now(): number {
    return this.offsetMs === undefined ? Date.now() : this.offsetMs + performance.now()
  }
}
