/** Effects: what scripts really did, told by files that they wrote themselves and not by any table of ours. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export class Effects {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'drover-effects-'))

  /** A line of shell that tells of itself: one O_APPEND write of a short line, which no other can tear. */
  line(word: string): string {
    return `printf '%s\\n' "${word} $DROVER_EXECUTION $DROVER_STEP $DROVER_HOST" >> ${this.folder}/$DROVER_EXECUTION`
  }

  /** How often each `word execution step host` was written. */
  count(executionId: string): Map<string, number> {
    const file = path.join(this.folder, executionId)
    const counts = new Map<string, number>()
    if (!existsSync(file)) return counts
    for (const line of readFileSync(file, 'utf8').trim().split('\n'))
      counts.set(line, (counts.get(line) ?? 0) + 1)
    return counts
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
