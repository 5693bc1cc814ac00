/** The journal as a whole: its id, its sequence number, and where its tasks live. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, readIfPresent, readJson, writeFileAtomic } from '../files.js'
import { WRAPPER } from '../process/wrapper.js'

// The number on disk is the end of a reserved block: one write a block, and never a step back after a crash.
const BLOCK = 64n

export class Journal {
  readonly id: string
  readonly folder: string
  readonly bootId: string
  private sequenceNow: bigint
  private reserved: bigint
  private saving: Promise<void> = Promise.resolve()

  private constructor(start: { id: string; folder: string; bootId: string; sequence: bigint }) {
    this.id = start.id
    this.folder = start.folder
    this.bootId = start.bootId
    this.sequenceNow = start.sequence
    this.reserved = start.sequence
  }

  /** Opens the spool in `folder`, making it (and its random id) when there is none. */
  static async open(folder: string, bootId: string): Promise<Journal> {
    await makeFolder(folder)
    await makeFolder(join(folder, 'tasks'))
    const file = join(folder, 'journal.json')
    let head = await readJson<{ journalId: string }>(file)
    if (!head?.journalId) {
      head = { journalId: randomUUID() }
      const text = JSON.stringify({ version: 1, ...head, createdAtMs: Date.now() })
      await writeFileAtomic(file, text, { durable: true })
    }
    await writeFileAtomic(join(folder, 'wrapper.sh'), WRAPPER, { durable: true })
    const stored = (await readIfPresent(join(folder, 'sequence')))?.trim()
    const sequence = /^\d+$/.test(stored ?? '') ? BigInt(stored ?? 0) : 0n
    const journal = new Journal({ id: head.journalId, folder, bootId, sequence })
    await journal.advance()
    return journal
  }

  get sequence(): bigint {
    return this.sequenceNow
  }

  get wrapper(): string {
    return join(this.folder, 'wrapper.sh')
  }

  taskFolder(taskId: string): string {
    return join(this.folder, 'tasks', taskId)
  }

  /** Ids of all tasks, tombstones included. */
  async taskIds(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'tasks'))
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name))
  }

  /** Counts one write that matters. Rejects when the disk cannot take the next block. */
  async advance(): Promise<void> {
    this.sequenceNow += 1n
    if (this.sequenceNow < this.reserved) return
    const next = this.sequenceNow + BLOCK
    this.saving = this.saving
      .catch(() => undefined)
      .then(async () => {
        if (next <= this.reserved) return
        await writeFileAtomic(join(this.folder, 'sequence'), `${next}\n`, { durable: true })
        this.reserved = next
      })
    await this.saving
  }

  /** The epoch of the last session, for the next hello. */
  async readEpoch(): Promise<bigint> {
    const text = (await readIfPresent(join(this.folder, 'epoch')))?.trim() ?? ''
    return /^\d+$/.test(text) ? BigInt(text) : 0n
  }

  async writeEpoch(epoch: bigint): Promise<void> {
    await writeFileAtomic(join(this.folder, 'epoch'), `${epoch}\n`)
  }
}
