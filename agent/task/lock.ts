/** One thing at a time for one name: orders about the same task are carried out one after another. */

export class KeyedLock {
  private readonly tails = new Map<string, Promise<unknown>>()

  /** Runs `work` after everything that was asked for `key` before. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key) ?? Promise.resolve()
    const mine = before.catch(() => undefined).then(work)
    this.tails.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.tails.get(key) === mine) this.tails.delete(key)
    }
  }
}
