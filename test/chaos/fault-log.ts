/** What the driver did and when: printed around a run that went wrong, and told to the verdict where it excuses something. */

export interface FaultRecord {
  at: number
  what: string
}

export class FaultLog {
  readonly records: FaultRecord[] = []
  /** Dispatch ids, hex, of tasks whose own wrapper was killed. */
  readonly wrappersKilled = new Set<string>()
  /** When which host was rebooted. */
  readonly reboots: { host: string; at: number }[] = []

  add(what: string): void {
    this.records.push({ at: Date.now(), what })
  }

  /** Between two moments, one a line. */
  between(from: number, to: number): string[] {
    return this.records
      .filter(({ at }) => at >= from && at <= to)
      .map(({ at, what }) => `${new Date(at).toISOString()} ${what}`)
  }
}
