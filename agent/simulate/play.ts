/** Playing a script: what a simulated host does instead of running it, moment by moment. */
import { type ScriptTask, Started, TaskState } from '../../proto/index.js'
import type { Verdict } from '../task/verdict.js'
import type { Draw } from './draw.js'
import type { Group } from './groups.js'
import type { SimulatedOutput } from './output.js'
import type { ScriptRun } from './script.js'

/** One thing that happens, and when; the last one has the verdict. */
export interface Moment {
  /** ms after the start */
  atMs: number
  write?: (output: SimulatedOutput) => void
  verdict?: Verdict
}

// Filler comes in so many pieces over a script's time, as a real log would.
const PIECES = 8

/** The line that is nobody else's and the text's own output first, then the group's filler over the group's latency, then the end. */
export function planMoments(task: ScriptTask, run: ScriptRun, draw: Draw, group: Group): Moment[] {
  const endMs = run.durationMs + draw.latencyMs
  const moments: Moment[] = run.steps.map(({ atMs, stream, text }) => ({
    atMs,
    write: (output) => output.write(stream, text),
  }))
  const { noise } = draw
  if (noise !== undefined)
    moments.unshift({
      atMs: 0,
      write: (output) => output.write('stdout', `${new Date().toISOString()} ${noise}\n`),
    })
  const piece = Math.ceil(group.outputBytes / PIECES)
  for (let done = 0, n = 1; done < group.outputBytes; done += piece, n++) {
    const bytes = Math.min(piece, group.outputBytes - done)
    const atMs = run.durationMs + (draw.latencyMs * n) / PIECES
    moments.push({ atMs, write: (output) => output.fill(bytes) })
  }
  if (draw.fails)
    moments.push({ atMs: endMs, write: (output) => output.write('stderr', 'simulated failure\n') })
  const limitMs = Number(task.timeoutMs)
  if (limitMs > 0 && endMs > limitMs) {
    return [...moments.filter(({ atMs }) => atMs < limitMs), { atMs: limitMs, verdict: timedOut }]
  }
  return [...moments, { atMs: endMs, verdict: exited(draw.fails ? 1 : run.exitCode) }]
}

function exited(exitCode: number): Verdict {
  const state = TaskState.TASK_STATE_EXITED
  return { state, exitCode, signal: '', reason: '', detail: '', started: Started.STARTED_YES }
}

const timedOut: Verdict = {
  state: TaskState.TASK_STATE_TIMED_OUT,
  signal: 'SIGTERM',
  reason: 'timed_out',
  detail: 'the script was ended because its time was over',
  started: Started.STARTED_YES,
}

/** Stopped by a signed order in mid-run. */
export function cancelled(reason: string): Verdict {
  return {
    state: TaskState.TASK_STATE_CANCELLED,
    signal: 'SIGTERM',
    reason: reason || 'cancelled_by_operator',
    detail: 'stopped by a signed order',
    started: Started.STARTED_YES,
  }
}
