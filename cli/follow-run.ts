/** Following a run: a line that moves where a person looks, a line for each host where a program reads. */
import type { Drover, ExecutionDetail, ExecutionEvent } from '../sdk/index.js'
import { listenForInterrupts } from './interrupt.js'
import { harmless, type Terminal } from './terminal.js'
import { formatDuration } from './values.js'

/** News come many at once; counts are read at most this often. */
const LOOK_MS = 200

/** Resolves with the run when it has ended. @param quiet says nothing on the way */
export async function followRun(
  terminal: Terminal,
  drover: Drover,
  executionId: string,
  quiet: boolean,
): Promise<ExecutionDetail> {
  using interrupts = listenForInterrupts(terminal, drover, executionId)
  const lines = terminal.interactive || quiet ? undefined : await HostLines.begin(drover, executionId)
  let lookedAt = 0
  const onReconnect = () => terminal.progress(`r-${executionId}: reconnecting…`)
  const onEvent = async (event: ExecutionEvent) => {
    for (const line of lines?.linesOf(event) ?? []) terminal.data(line)
    if (quiet || Date.now() - lookedAt < LOOK_MS) return
    lookedAt = Date.now()
    if (terminal.interactive) terminal.progress(progressLine(await drover.execution(executionId)))
  }
  try {
    return await drover.waitForEnd(executionId, { signal: interrupts.left, onReconnect, onEvent })
  } catch (error) {
    interrupts.left.throwIfAborted()
    throw error
  }
}

/** `r-812 running · deploy 5/8 · 1 failed · 12s` */
export function progressLine(run: ExecutionDetail, now = Date.now()): string {
  const undo = run.steps.filter((item) => item.undoes !== null)
  const steps = undo.length ? undo : run.steps
  const step = steps.find((item) => !['succeeded', 'skipped', 'ignored'].includes(item.state)) ?? steps.at(-1)
  const counts = step?.counts ?? {}
  const open = (counts.pending ?? 0) + (counts.dispatched ?? 0) + (counts.running ?? 0)
  const others = Object.entries(counts)
    .filter(([state, count]) => count && !['pending', 'dispatched', 'succeeded'].includes(state))
    .map(([state, count]) => `${count} ${state.replaceAll('_', ' ')}`)
  const parts = [
    `r-${run.id} ${run.state}`,
    step &&
      `${run.steps.length > 1 ? `step ${step.position + 1}/${run.steps.length} ` : ''}${harmless(step.name)} ${doneOf(step, open)}`,
    ...others,
    formatDuration(now - Date.parse(run.startedAt ?? run.createdAt)),
  ]
  return parts.filter(Boolean).join(' · ')
}

/** Hosts that are done, or until when it waits. */
function doneOf(step: ExecutionDetail['steps'][number], open: number): string {
  return step.state === 'waiting' ? (step.reason ?? '') : `${step.hosts - open}/${step.hosts}`
}

interface HostChangeBody {
  stepExecutionId: string
  changes?: { hostId: string; state: string; exitCode?: number; reason?: string; amended?: boolean }[]
}

/** One line for each host that ends: no more is said to a program or a log file. */
class HostLines {
  private readonly names: ReadonlyMap<string, string>
  private readonly steps: ReadonlyMap<string, string>

  private constructor(names: ReadonlyMap<string, string>, steps: ReadonlyMap<string, string>) {
    this.names = names
    this.steps = steps
  }

  static async begin(drover: Drover, executionId: string): Promise<HostLines> {
    const names = new Map<string, string>()
    const { steps } = await drover.execution(executionId)
    // Steps may have hosts of their own: whoever has a part in the run.
    for await (const host of drover.hosts({ target: `run:${executionId}` })) names.set(host.id, host.name)
    return new HostLines(
      names,
      new Map(steps.map((step) => [step.id, steps.length > 1 ? `${step.name}: ` : ''])),
    )
  }

  linesOf(event: ExecutionEvent): string[] {
    const { name, state, reason } = event.body as { name?: string; state?: string; reason?: string }
    if (event.type === 'step' && state === 'waiting') return [`${name}: waiting ${reason}`]
    if (event.type !== 'hosts') return []
    const { stepExecutionId, changes = [] } = event.body as unknown as HostChangeBody
    return changes
      .filter((change) => !['pending', 'dispatched', 'running'].includes(change.state))
      .map(({ hostId, state, exitCode, reason, amended }) => {
        const exit = exitCode === undefined ? '' : ` exit ${exitCode}`
        const why = reason === undefined ? '' : ` (${reason})`
        return `${this.steps.get(stepExecutionId) ?? ''}${this.names.get(hostId) ?? hostId} ${state}${exit}${why}${amended ? ' (amended)' : ''}`
      })
  }
}
