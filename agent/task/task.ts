/** One task in memory: its order, where it stands, and the update that tells it. */
import { DispatchOrder, type ScriptTask, type TaskSpec, type TaskUpdate } from '../../proto/index.js'
import { type Intent, type Result, toFinalUpdate } from '../journal/records.js'
import type { TaskFolder } from '../journal/task-folder.js'
import type { TaskOutput } from '../output/task-output.js'
import { uptimeMs } from '../process/proc.js'
import { decodeSpec } from './order.js'
import { rowsOf, toLiveUpdate } from './result.js'

export type Phase = 'queued' | 'running' | 'ended'

export class Task {
  readonly id: string
  readonly dispatchId: Buffer
  readonly folder: TaskFolder
  /** Undefined for an id that was cancelled before its dispatch came. */
  readonly intent: Intent | undefined
  readonly order: DispatchOrder | undefined
  readonly output: TaskOutput
  phase: Phase
  /** Uptime at which the wrapper started. */
  startedUptimeMs: number | undefined
  result: Result | undefined
  settled = false

  constructor(start: {
    id: string
    folder: TaskFolder
    intent: Intent | undefined
    output: TaskOutput
    result?: Result | undefined
  }) {
    this.id = start.id
    this.dispatchId = Buffer.from(start.id, 'hex')
    this.folder = start.folder
    this.intent = start.intent
    this.order = start.intent && DispatchOrder.decode(Buffer.from(start.intent.order, 'base64'))
    this.output = start.output
    this.result = start.result
    this.phase = start.result ? 'ended' : 'queued'
  }

  /** What was asked for; throws when the journal was tampered with, for it was checked before it was accepted. */
  get script(): ScriptTask {
    const task = this.spec
    if (!task) throw new Error(`task ${this.id} has no script in its intent`)
    return task.value
  }

  /** Whether it is over only when the host has another boot id. */
  get isReboot(): boolean {
    return this.spec?.$case === 'reboot'
  }

  private get spec(): TaskSpec['task'] {
    return decodeSpec(Buffer.from(this.intent?.spec ?? '', 'base64'))?.task
  }

  /** Where the task stands, as it is told to the server now. */
  update(): TaskUpdate {
    if (this.result) return toFinalUpdate(this.dispatchId, this.result, this.output.acked())
    const { startedUptimeMs: started } = this
    return toLiveUpdate(this.dispatchId, this.order, started === undefined ? undefined : uptimeMs() - started)
  }
}

/** What is known of a task, wherever it is recorded. */
type Recorded = Pick<Task, 'intent' | 'order' | 'result'>

/**
 * Whether an order asks for what is recorded under its id. It may be signed anew, with other times. Another task under
 * the same id comes from a control plane that was restored from an old backup and counts its ids anew.
 */
export function isSameTask(task: Recorded, order: DispatchOrder): boolean {
  if (isUnclaimed(task)) return true
  const recorded = task.order ? rowsOf(task.order) : task.result
  const asked = rowsOf(order)
  const names = ['executionId', 'stepExecutionId', 'attempt', 'scopeId', 'specSha256'] as const
  // What an old agent did not record cannot differ.
  return names.every((name) => recorded?.[name] === undefined || recorded[name] === asked[name])
}

/** Cancelled before its dispatch came, and it has not come yet: which rows it is about is not known. */
export function isUnclaimed(task: Recorded): boolean {
  return task.intent === undefined && task.result?.stepExecutionId === '0'
}
