/** The journal as a whole: its id, its sequence number, and where its tasks live. */
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createLogger } from '../../base/logger.js'
import { hasErrno, makeFolder, overwriteDurably, readIfPresent, readJson, writeFileAtomic } from '../files.js'
import { WRAPPER, WRAPPER_FILE } from '../process/wrapper.js'
import { PipeStock } from './pipe-stock.js'

const log = createLogger('agent:journal')

// Fixed, so that the number is written over in place: that needs no room on a full disk, and a sector is never half written.
const DIGITS = 20

export class Journal {
  readonly id: string
  readonly folder: string
  readonly bootId: string
  readonly pipes: PipeStock
  /** Tasks that may hold more than what their ids are remembered by: each that is written to, until it is swept. */
  readonly full = new Set<string>()
  /** The newest number that was given to a write. */
  private counted: bigint
  /** The newest that is on disk: what is told was never forgotten. */
  private saved: bigint
  private saving: Promise<void> | undefined

  private constructor(start: { id: string; folder: string; bootId: string; sequence: bigint }) {
    this.id = start.id
    this.folder = start.folder
    this.bootId = start.bootId
    this.pipes = new PipeStock(join(start.folder, 'pipes'))
    this.counted = start.sequence
    this.saved = start.sequence
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
    const wrapper = join(folder, WRAPPER_FILE)
    if ((await readIfPresent(wrapper)) !== WRAPPER) await writeFileAtomic(wrapper, WRAPPER, { durable: true })
    const stored = (await readIfPresent(join(folder, 'sequence')))?.trim()
    const sequence = /^\d+$/.test(stored ?? '') ? BigInt(stored ?? 0) : 0n
    const journal = new Journal({ id: head.journalId, folder, bootId, sequence })
    // A start is no write: were it counted, a copy that lacks one task would come up with the number of the one that has it.
    if (stored?.length !== DIGITS) await journal.makeSequence()
    return journal
  }

  /** Number of the newest write that is on disk. */
  get sequence(): bigint {
    return this.saved
  }

  get wrapper(): string {
    return join(this.folder, WRAPPER_FILE)
  }

  taskFolder(taskId: string): string {
    return join(this.folder, 'tasks', taskId)
  }

  /** Ids of all tasks, tombstones included. */
  async taskIds(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'tasks'))
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name))
  }

  /**
   * Counts one write that matters, once that is on disk: whoever has heard of the number knows that the write was kept, so
   * that a lower number shows a copy which lacks it. Rejects when the disk cannot take it.
   * @param taskId of the task that was written to
   */
  async advance(taskId: string): Promise<void> {
    this.full.add(taskId)
    this.counted += 1n
    const mine = this.counted
    while (this.saved < mine) await this.save()
  }

  /** One write to disk for all that have counted meanwhile. */
  private save(): Promise<void> {
    this.saving ??= this.writeSequence().finally(() => {
      this.saving = undefined
    })
    return this.saving
  }

  private async writeSequence(): Promise<void> {
    const upTo = this.counted
    const file = join(this.folder, 'sequence')
    // It is missing if the disk was full when the agent came up.
    const there = await overwriteDurably(file, sequenceText(upTo))
    if (!there) await writeFileAtomic(file, sequenceText(upTo), { durable: true })
    this.saved = upTo
  }

  private async makeSequence(): Promise<void> {
    // On a full disk the agent must come up all the same, to tell of what runs; it takes on nothing new until there is room.
    await writeFileAtomic(join(this.folder, 'sequence'), sequenceText(this.saved), { durable: true }).catch(
      (error: unknown) => {
        if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error
        log.warn({ err: error }, 'the disk is full: the journal cannot go on until there is room')
      },
    )
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

function sequenceText(sequence: bigint): string {
  return `${String(sequence).padStart(DIGITS, '0')}\n`
}
