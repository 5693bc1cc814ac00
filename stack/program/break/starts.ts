/** Counts of starts as the hosts themselves wrote them down, read from files that grow: no table of ours is asked. */
import { closeSync, openSync, readSync } from 'node:fs'

export interface StartSource {
  /** May not be there yet. */
  path: string
  /** Who started, from one line; undefined for a line that tells of no start. */
  hostOf: (line: string) => string | undefined
}

const READ_BYTES = 1024 * 1024

export class Starts {
  /** How often each host has started. */
  readonly byHost = new Map<string, number>()
  /** Longest time without a new start between the first and the last, ms; as exact as `look` is called often. */
  longestGapMs = 0
  private lastAt: number | undefined
  private readonly tails: { source: StartSource; offset: number; rest: string }[]

  constructor(sources: readonly StartSource[]) {
    this.tails = sources.map((source) => ({ source, offset: 0, rest: '' }))
  }

  /** Hosts that have started more than once. */
  get twice(): number {
    return [...this.byHost.values()].filter((count) => count > 1).length
  }

  /** Reads what was written since the last look. */
  look(now: number): void {
    let found = 0
    for (const tail of this.tails) {
      const text = tail.rest + readFrom(tail.source.path, tail)
      const lines = text.split('\n')
      tail.rest = lines.pop() ?? ''
      for (const line of lines) {
        const host = tail.source.hostOf(line)
        if (host === undefined) continue
        this.byHost.set(host, (this.byHost.get(host) ?? 0) + 1)
        found++
      }
    }
    if (!found) return
    if (this.lastAt !== undefined) this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAt)
    this.lastAt = now
  }
}

/** What follows the offset, which is moved on. */
function readFrom(path: string, tail: { offset: number }): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const pieces: Buffer[] = []
    for (;;) {
      const piece = Buffer.alloc(READ_BYTES)
      const read = readSync(file, piece, 0, READ_BYTES, tail.offset)
      if (!read) return Buffer.concat(pieces).toString('utf8')
      tail.offset += read
      pieces.push(piece.subarray(0, read))
    }
  } finally {
    closeSync(file)
  }
}
