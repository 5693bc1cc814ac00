/** Giving space back: output ten minutes after the server has it, tombstones when no late dispatch can come any more. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Journal } from './journal.js'
import type { Result } from './records.js'
import { TaskFolder } from './task-folder.js'

const OUTPUT_STAYS_MS = 10 * 60_000
const AFTER_EXPIRY_MS = 24 * 3_600_000
const AFTER_END_MS = 72 * 3_600_000
// What a tombstone takes: a folder and a few small files, each a block.
const TOMBSTONE_BYTES = 32 * 1024

/** Until when an id must be remembered, ms since the epoch. */
export function tombstoneUntilMs(result: Pick<Result, 'endedAtMs' | 'expiresAtMs'>): number {
  return Math.max(result.expiresAtMs + AFTER_EXPIRY_MS, result.endedAtMs + AFTER_END_MS)
}

export interface SweepInput {
  journal: Journal
  /** The server's clock; undefined until a session has told it, and then no tombstone is dropped. */
  serverNowMs: number | undefined
  /** Ids that somebody works with. */
  isLive: (id: string) => boolean
  /** Also take output that is not ten minutes old: space is short. */
  urgent: boolean
}

/** One pass over the journal. @returns bytes that it still holds, roughly */
export async function sweepJournal(input: SweepInput): Promise<number> {
  let held = 0
  for (const id of await input.journal.taskIds()) {
    const folder = new TaskFolder(input.journal.taskFolder(id))
    if (!input.isLive(id)) await sweepTask(folder, input)
    held += TOMBSTONE_BYTES + (await sizeOf(folder, 'stdout')) + (await sizeOf(folder, 'stderr'))
  }
  return held
}

async function sweepTask(folder: TaskFolder, input: SweepInput): Promise<void> {
  const result = await folder.readResult()
  if (!result) return
  const settledAtMs = await folder.settledAtMs()
  // An id that was cancelled before its dispatch came is nobody's to settle.
  const unclaimed = result.stepExecutionId === '0' && !(await folder.readIntent())
  if (settledAtMs === undefined && !unclaimed) return
  if (input.serverNowMs !== undefined && input.serverNowMs > tombstoneUntilMs(result)) return folder.remove()
  const acked = await folder.readAcked()
  const safe = acked.stdout >= result.stdout.bytes && acked.stderr >= result.stderr.bytes
  const old = input.urgent || Date.now() - (settledAtMs ?? 0) >= OUTPUT_STAYS_MS
  if (safe && old) await folder.removeOutput()
}

async function sizeOf(folder: TaskFolder, name: string): Promise<number> {
  return stat(join(folder.path, name)).then(
    (entry) => entry.blocks * 512,
    () => 0,
  )
}
