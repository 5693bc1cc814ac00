/** Effects: what scripts really did, told by files that they wrote themselves and not by any table of ours. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** How often a task (one attempt of a step on a host) began and came to its last line. */
export interface TaskEffects {
  starts: number
  ends: number
  /** What it saw of variables, by their names. */
  saw?: Record<string, string>
}

export class EffectFiles {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'drover-chaos-effects-'))
  /** Where scripts keep what they must remember from one attempt to the next. */
  readonly memory = path.join(this.folder, 'memory')

  constructor() {
    mkdirSync(this.memory)
  }

  /** A line of sh that tells of itself: one O_APPEND write of a short line, which no other can tear. */
  line(word: 'start' | 'end'): string {
    return `printf '%s\\n' "${word} $DROVER_STEP $DROVER_HOST $DROVER_TASK" >> ${this.folder}/$DROVER_EXECUTION`
  }

  /** A line of sh that tells what a task sees of variables whose values have no spaces. */
  sight(names: readonly string[]): string {
    const values = names.map((name) => `${name}=$${name}`).join(' ')
    return `printf '%s\\n' "saw $DROVER_STEP $DROVER_HOST $DROVER_TASK ${values}" >> ${this.folder}/$DROVER_EXECUTION`
  }

  /** By `step host`, then by task. */
  read(executionId: string): Map<string, Map<string, TaskEffects>> {
    const found = new Map<string, Map<string, TaskEffects>>()
    const file = path.join(this.folder, executionId)
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    for (const line of lines) {
      const [word, step, host, task = '', ...values] = line.split(' ')
      const tasks = found.get(`${step} ${host}`) ?? new Map<string, TaskEffects>()
      found.set(`${step} ${host}`, tasks)
      const effects = tasks.get(task) ?? { starts: 0, ends: 0 }
      tasks.set(task, effects)
      if (word === 'start') effects.starts++
      else if (word === 'end') effects.ends++
      else effects.saw = Object.fromEntries(values.map((pair) => pair.split('=') as [string, string]))
    }
    return found
  }

  /** Whether any script of the execution has begun. */
  hasBegun(executionId: string): boolean {
    return existsSync(path.join(this.folder, executionId))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
