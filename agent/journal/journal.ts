/** The journal as a whole: its id, its sequence number, and where its tasks live. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger } from '../../base/logger.js'
import { hasErrno, makeFolder, readIfPresent, readJson, writeFileAtomic } from '../files.js'
import { WRAPPER } from '../process/wrapper.js'

const log = createLogger('agent:journal')

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
    const wrapper = join(folder, 'wrapper.sh')
    if ((await readIfPresent(wrapper)) !== WRAPPER) await writeFileAtomic(wrapper, WRAPPER, { durable: true })
    const stored = (await readIfPresent(join(folder, 'sequence')))?.trim()
    const sequence = /^\d+$/.test(stored ?? '') ? BigInt(stored ?? 0) : 0n
    const journal = new Journal({ id: head.journalId, folder, bootId, sequence })
    // On a full disk the agent must come up all the same, to tell of what runs; it takes on nothing new until there is room.
    await journal.advance().catch((error: unknown) => {
      if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error
      log.warn({ err: error }, 'the disk is full: the journal cannot go on until there is room')
    })
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

  /** Counts one write that matters. Rejects when the disk cannot take the next block; nothing is counted then. */
  async advance(): Promise<void> {
    // Never past what is on disk: a number that was told and then forgotten would look like a journal that went back.
    while (this.sequenceNow + 1n >= this.reserved) await this.reserve()
    this.sequenceNow += 1n
  }

  private async reserve(): Promise<void> {
    this.saving = this.saving
      .catch(() => undefined)
      .then(async () => {
        if (this.sequenceNow + 1n < this.reserved) return
        const next = this.sequenceNow + 1n + BLOCK
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
