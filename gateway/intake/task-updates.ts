/** Task updates: an agent's word about its own task, checked and turned into news for the ledger. */
import { isErrorCode } from '../../domain/errors.js'
import type { HostState, Started as HostStarted } from '../../domain/host-result.js'
import { type ExecutionId, isId, type StepExecutionId } from '../../domain/id.js'
import { cutText } from '../../domain/text.js'
import { dispatchId, sha256, Started, TaskState, type TaskUpdate } from '../../proto/index.js'
import type { HostUpdate } from '../../store/postgres/ledger.js'
import type { Session, SessionTask } from '../session/session.js'

// What the ledger's columns hold, and what one host may have under way; an agent's word is never trusted to fit.
const ATTEMPT_MAX = 2 ** 31 - 1
const AGO_MAX_MS = 366 * 86_400_000
const TASKS_MAX = 10_000

// Output is kept by the day of its execution, which lasts weeks at most: no agent makes collections of its own choosing.
const DAYS_NEAR = 60

function isNear(day: string): boolean {
  const match = /^(20\d\d)(\d\d)(\d\d)$/.exec(day)
  const at = match ? Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) : Number.NaN
  return Math.abs(Date.now() - at) < DAYS_NEAR * 86_400_000
}

/**
 * The task that an update is about; undefined if it is not this host's. No look-up is needed: the id of a dispatch is
 * the hash of its step, attempt and host, so that an agent can only name tasks of its own.
 */
export function taskOf(session: Session, update: TaskUpdate): SessionTask | undefined {
  const id = Buffer.from(update.dispatchId)
  const known = session.tasks.get(id.toString('hex'))
  const executionId = update.executionId.toString()
  // A journal may hold an older task under the same id (of a database that was restored since): not this one's news.
  if (known) return update.executionId === 0n || executionId === known.executionId ? known : undefined
  const stepExecutionId = update.stepExecutionId.toString()
  if (!isId(executionId) || !isId(stepExecutionId) || !isNear(update.outputDay)) return undefined
  if (update.attempt > ATTEMPT_MAX || session.tasks.size >= TASKS_MAX) return undefined
  if (!dispatchId(stepExecutionId, update.attempt, session.hostId).equals(id)) return undefined
  const { attempt, outputDay } = update
  const task = {
    dispatch: id.toString('hex'),
    dispatchId: id,
    scopeId: session.scopeId,
    executionId,
    stepExecutionId,
    attempt,
    outputDay,
    expected: {},
    pieces: {},
  }
  session.tasks.set(task.dispatch, task)
  return task
}

/** What the ledger learns from an update; undefined for one that changes nothing there. */
export function toHostUpdate(
  session: Session,
  task: SessionTask,
  update: TaskUpdate,
  gateway: string,
): HostUpdate | undefined {
  const state = hostStateOf(update)
  if (!state) return undefined
  return {
    scopeId: task.scopeId,
    executionId: task.executionId as ExecutionId,
    stepExecutionId: task.stepExecutionId as StepExecutionId,
    hostId: session.hostId,
    attempt: task.attempt,
    state,
    started: startedOf(update, state),
    epoch: session.epoch,
    gateway,
    reason: update.reason ? cleanCode(update.reason) : undefined,
    detail: update.detail ? cleanText(update.detail) : undefined,
    exitCode: update.exitCode,
    signal: update.signal ? cleanText(update.signal).slice(0, 16) : undefined,
    startedAgoMs: Math.min(number(update.startedAgoMs), AGO_MAX_MS),
    durationMs: number(update.durationMs),
    ...outputOf(update),
  }
}

function hostStateOf(update: TaskUpdate): HostState | undefined {
  switch (update.state) {
    case TaskState.TASK_STATE_RUNNING:
      return 'running'
    case TaskState.TASK_STATE_REJECTED:
      return 'rejected'
    case TaskState.TASK_STATE_EXITED:
      return update.exitCode === 0 && !update.signal ? 'succeeded' : 'failed'
    case TaskState.TASK_STATE_TIMED_OUT:
      return 'timed_out'
    case TaskState.TASK_STATE_CANCELLED:
      return 'cancelled'
    case TaskState.TASK_STATE_INTERRUPTED:
      return 'unknown'
    case TaskState.TASK_STATE_ACCEPTED:
    case TaskState.TASK_STATE_UNSPECIFIED:
      return undefined
  }
}

/** `maybe` belongs to `unknown` alone, and a rejected task never started. */
function startedOf(update: TaskUpdate, state: HostState): HostStarted {
  if (state === 'unknown') return 'maybe'
  if (state === 'rejected') return 'no'
  return update.started === Started.STARTED_NO ? 'no' : 'yes'
}

function outputOf(
  update: TaskUpdate,
): Pick<HostUpdate, 'stdoutBytes' | 'stderrBytes' | 'outputSha256' | 'truncated'> {
  const { stdout, stderr } = update
  if (!stdout || !stderr) return {}
  return {
    stdoutBytes: number(stdout.bytes),
    stderrBytes: number(stderr.bytes),
    outputSha256: sha256(Buffer.concat([stdout.sha256, stderr.sha256])),
    truncated: stdout.truncated || stderr.truncated,
  }
}

const DETAIL_MAX = 1_000

/** Text that the database can keep and a page can show, whatever the agent sent. */
function cleanText(text: string): string {
  return cutText(text.replaceAll(/\p{Surrogate}|\p{Cc}/gu, '\u{fffd}'), DETAIL_MAX)
}

function cleanCode(code: string): string {
  return isErrorCode(code) ? code : cleanText(code).slice(0, 64)
}

function number(value: bigint): number {
  return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value)
}
