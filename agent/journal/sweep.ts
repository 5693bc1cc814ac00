/** Giving space back: output ten minutes after the server has it, tombstones when no late dispatch can come any more. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Journal } from './journal.js'
import type { Result } from './records.js'
import { TaskFolder } from './task-folder.js'

const OUTPUT_STAYS_MS = 10 * 60_000
const AFTER_EXPIRY_MS = 24 * 3_600_000
const AFTER_END_MS = 72 * 3_600_000
// What a task takes beside its output: a folder, and some ten small files, each a block.
const WORKING_BYTES = 44 * 1024
// A look at a task takes a tenth of a millisecond, and the agent has other things to do between some of them.
const TASKS_A_TURN = 20

/** Until when an id must be remembered, ms since the epoch. */
export function tombstoneUntilMs(result: Pick<Result, 'endedAtMs' | 'expiresAtMs'>): number {
  return Math.max(result.expiresAtMs + AFTER_EXPIRY_MS, result.endedAtMs + AFTER_END_MS)
}

export interface SweepInput {
  /** The server's clock; undefined until a session has told it, and then no tombstone is dropped. */
  serverNowMs: number | undefined
  /** Ids that somebody works with. */
  isLive: (id: string) => boolean
  /** Also take output that is not ten minutes old: space is short. */
  urgent: boolean
}

/** What there is of a task: nothing any more, what an id is remembered by, or output and working files too. */
type Left = 'nothing' | 'tombstone' | 'all'

/**
 * What the journal holds beside tombstones. These are not looked at until they may go: a host that is given a task every ten
 * seconds has twenty-five thousand of them.
 */
export class Held {
  private readonly journal: Journal

  constructor(journal: Journal) {
    this.journal = journal
  }

  /** Looks at what an earlier life left. Once, before anything else. */
  async find(input: SweepInput): Promise<void> {
    for await (const id of this.everyOther())
      if (input.isLive(id) || (await this.sweepTask(id, input)) === 'all') this.journal.full.add(id)
  }

  /** Takes output that is not needed any more. */
  async sweep(input: SweepInput): Promise<void> {
    const { full } = this.journal
    for await (const id of inTurns([...full])) {
      if (input.isLive(id)) continue
      // Unless its dispatch came meanwhile.
      if ((await this.sweepTask(id, input)) !== 'all' && !input.isLive(id)) full.delete(id)
    }
  }

  /** Drops tombstones whose time is over. */
  async expire(input: SweepInput): Promise<void> {
    if (input.serverNowMs === undefined) return
    for await (const id of this.everyOther()) if (!input.isLive(id)) await this.sweepTask(id, input)
  }

  /** Bytes, roughly. Tombstones are not among them: no sweep can make room by what must be remembered. */
  bytes(): number {
    let sum = this.journal.full.size * WORKING_BYTES
    for (const id of this.journal.full) {
      const folder = this.journal.taskFolder(id)
      sum += sizeOf(join(folder, 'stdout')) + sizeOf(join(folder, 'stderr'))
    }
    return sum
  }

  /** Ids that are not among the full ones. */
  private async *everyOther(): AsyncIterable<string> {
    for await (const id of inTurns(await this.journal.taskIds())) if (!this.journal.full.has(id)) yield id
  }

  private async sweepTask(id: string, input: SweepInput): Promise<Left> {
    const folder = new TaskFolder(this.journal.taskFolder(id))
    const result = await folder.readResult()
    // An order that could not be taken on leaves none.
    if (!result) return existsSync(folder.path) ? 'all' : 'nothing'
    const settledAtMs = folder.settledAtMs()
    // An id that was cancelled before its dispatch came is nobody's to settle.
    const unclaimed = result.stepExecutionId === '0' && !(await folder.readIntent())
    if (settledAtMs === undefined && !unclaimed) return 'all'
    if (input.serverNowMs !== undefined && input.serverNowMs > tombstoneUntilMs(result)) {
      await folder.remove()
      return 'nothing'
    }
    const acked = await folder.readAcked()
    const safe =
      // What is acknowledged is a hint, which a full disk may have lost.
      (await folder.readSettled()) === 'complete' ||
      (acked.stdout >= result.stdout.bytes && acked.stderr >= result.stderr.bytes)
    const old = input.urgent || Date.now() - (settledAtMs ?? 0) >= OUTPUT_STAYS_MS
    if (!safe || !old) return 'all'
    await folder.reduce()
    return 'tombstone'
  }
}

async function* inTurns(ids: readonly string[]): AsyncIterable<string> {
  for (const [index, id] of ids.entries()) {
    if (index % TASKS_A_TURN === TASKS_A_TURN - 1) await nextTurn()
    yield id
  }
}

function sizeOf(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512
}
