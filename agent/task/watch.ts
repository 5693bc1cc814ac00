/** When to look at a running task again: at once when its folder changes, soon while it writes, seldom when it is silent. */
import { type FSWatcher, watch } from 'node:fs'

const ACTIVE_MS = 50
// With hints from the file system the poll only catches what they missed.
const SILENT_MS = 5_000
const SILENT_WITHOUT_HINTS_MS = 1_000

export class Watch {
  private intervalMs = ACTIVE_MS
  private wake: (() => void) | undefined
  private pending = false
  private urgent = false
  private gathering = false
  private lastLook = 0
  private readonly watcher: FSWatcher | undefined

  constructor(folder: string) {
    // Records of the wrapper are worth an immediate look; output can be gathered for a moment.
    this.watcher = startWatcher(folder, (name) => this.poke(name === 'exit' || name === 'pid'))
  }

  /** Something may have changed; urgent news end the gathering too. */
  poke(urgent = true): void {
    this.pending = true
    if (urgent) this.urgent = true
    if (urgent || !this.gathering) this.wake?.()
  }

  /**
   * Waits for the next look. The hint of the file system cuts a long wait short, but two looks are never closer than
   * 50 ms, unless the task was silent: so the first output goes out at once and a flood is gathered.
   */
  async next(active: boolean, dueInMs: number): Promise<void> {
    this.intervalMs = active
      ? ACTIVE_MS
      : Math.min(this.watcher ? SILENT_MS : SILENT_WITHOUT_HINTS_MS, this.intervalMs * 1.5)
    const until = Math.min(this.intervalMs, Math.max(1, dueInMs))
    const gather = active ? Math.max(0, ACTIVE_MS - (performance.now() - this.lastLook)) : 0
    if (gather > 0 && !this.urgent) {
      this.gathering = true
      await this.sleep(Math.min(gather, until))
      this.gathering = false
    }
    if (!this.pending) await this.sleep(until)
    this.pending = false
    this.urgent = false
    this.lastLook = performance.now()
  }

  close(): void {
    this.watcher?.close()
    this.wake?.()
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), ms)
      this.wake = () => {
        clearTimeout(timer)
        this.wake = undefined
        resolve()
      }
    })
  }
}

// Without inotify (its instances are limited) the polling alone does.
function startWatcher(folder: string, onChange: (name: string | null) => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, (_event, name) => onChange(name))
    watcher.on('error', () => watcher.close())
    watcher.unref()
    return watcher
  } catch {
    return undefined
  }
}
