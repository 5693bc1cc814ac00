/** FIFOs made ahead: a task takes a folder with two of them by renaming it, and starts no mkfifo of its own. */
import { execFile } from 'node:child_process'
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
  private readonly root: string
  private readonly ready: string[] = []
  private made = 0
  private refilling = false
  private retryAt = 0

  /** @param root folder of the stock, beside the tasks; what an earlier life left there is removed */
  constructor(root: string) {
    this.root = root
    rmSync(root, { recursive: true, force: true })
  }

  /**
   * Puts a folder with the FIFOs `stdout` and `stderr` at `path`: of mode 0600 and the agent's own. An empty one where none
   * is ready (a burst, a full disk, no mkfifo): the wrapper then makes them itself.
   */
  place(path: string): void {
    const folder = this.ready.pop()
    if (this.ready.length < LOW) void this.refill()
    if (folder === undefined || !moved(folder, path)) mkdirSync(path, { mode: 0o700 })
  }

  private async refill(): Promise<void> {
    if (this.refilling || performance.now() < this.retryAt) return
    this.refilling = true
    try {
      const folders = Array.from({ length: BATCH }, () => join(this.root, String(this.made++)))
      for (const folder of folders) mkdirSync(folder, { mode: 0o700, recursive: true })
      const paths = folders.flatMap((folder) => [join(folder, 'stdout'), join(folder, 'stderr')])
      await promisify(execFile)('mkfifo', ['-m', '600', ...paths])
      this.ready.push(...folders)
    } catch (error) {
      this.retryAt = performance.now() + RETRY_MS
      log.debug({ err: error }, 'no FIFOs could be made ahead; each task makes its own')
    } finally {
      this.refilling = false
    }
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
