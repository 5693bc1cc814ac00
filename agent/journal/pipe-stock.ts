/** FIFOs made ahead: a task takes a folder with two of them by renaming it, and starts no mkfifo of its own. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createLogger } from '../../base/logger.js'

const log = createLogger('agent:journal')

/** What one mkfifo makes, and how many are left when the next one is started. */
const BATCH = 16
const LOW = 8
const RETRY_MS = 60_000

export class PipeStock {
  /** Of this life alone: a mkfifo of an earlier one may still be at work beside it. */
  private readonly root: string
  private readonly program: string
  private readonly ready: string[] = []
  private made = 0
  private refilling = false
  private retryAt = 0

  /** @param root folder of the stocks, beside the tasks; what earlier lives left there is removed */
  constructor(root: string, program = 'mkfifo') {
    this.root = join(root, randomUUID())
    this.program = program
    removeQuietly(root)
  }

  /**
   * Puts a folder with the FIFOs `stdout` and `stderr` at `path`: of mode 0600 and the agent's own. An empty one where none
   * is ready (a burst, a full disk, no mkfifo): the wrapper then makes them itself.
   */
  place(path: string): void {
    const folder = this.ready.pop()
    if (this.ready.length < LOW) void this.refill()
    if (folder !== undefined && moved(folder, path)) return
    if (folder !== undefined) removeQuietly(folder)
    mkdirSync(path, { mode: 0o700 })
  }

  private async refill(): Promise<void> {
    if (this.refilling || performance.now() < this.retryAt) return
    this.refilling = true
    const folders = Array.from({ length: BATCH }, () => join(this.root, String(this.made++)))
    try {
      for (const folder of folders) mkdirSync(folder, { mode: 0o700, recursive: true })
      const paths = folders.flatMap((folder) => [join(folder, 'stdout'), join(folder, 'stderr')])
      await promisify(execFile)(this.program, ['-m', '600', ...paths])
      this.ready.push(...folders)
    } catch (error) {
      for (const folder of folders) removeQuietly(folder)
      this.retryAt = performance.now() + RETRY_MS
      log.debug({ err: error }, 'no FIFOs could be made ahead; each task makes its own')
    } finally {
      this.refilling = false
    }
  }
}

/** What cannot be removed stays: a stock must keep no agent from coming up. */
function removeQuietly(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch (error) {
    log.warn({ err: error, folder }, 'FIFOs that nobody needs could not be removed')
  }
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch {
    return false
  }
}
