/** Task updates: an agent's word about its own task, checked and turned into news for the ledger. */
import { isErrorCode } from '../../domain/errors.js'
import type { HostState, Started as HostStarted } from '../../domain/host-result.js'
import { type ExecutionId, isId, type StepExecutionId } from '../../domain/id.js'
import { TAG_MAX_CHARACTERS } from '../../domain/script.js'
import { cutText } from '../../domain/text.js'
import {
  dispatchId,
  type OutputSummary,
  sha256,
  Started,
  TaskState,
  type TaskUpdate,
} from '../../proto/index.js'
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
    startedAgoMs: startedAgoOf(update, state),
    durationMs: number(update.durationMs),
    ...outputOf(update),
    ...saidOf(update),
  }
}

function hostStateOf(update: TaskUpdate): HostState | undefined {
  switch (update.state) {
    case TaskState.TASK_STATE_RUNNING:
      return 'running'
    case TaskState.TASK_STATE_REJECTED:
      return 'rejected'
    case TaskState.TASK_STATE_EXITED:
      return update.exitCode === 0 && !update.signal && !update.failed ? 'succeeded' : 'failed'
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

/**
 * How long ago the script began; undefined where nobody can say. An end says how long it ran, and is often the first that is
 * written of a script: then it began so long before.
 */
function startedAgoOf(update: TaskUpdate, state: HostState): number | undefined {
  const agoMs = Math.max(number(update.startedAgoMs), number(update.durationMs))
  if (startedOf(update, state) === 'no' || (state === 'unknown' && agoMs === 0)) return undefined
  return Math.min(agoMs, AGO_MAX_MS)
}

function outputOf(
  update: TaskUpdate,
): Pick<HostUpdate, 'stdoutBytes' | 'stderrBytes' | 'outputSha256' | 'normalisedSha256' | 'truncated'> {
  const { stdout, stderr } = update
  if (!stdout || !stderr) return {}
  const outputSha256 = sha256(Buffer.concat([stdout.sha256, stderr.sha256]))
  return {
    stdoutBytes: number(stdout.bytes),
    stderrBytes: number(stderr.bytes),
    outputSha256,
    normalisedSha256: normalisedOf(stdout, stderr, outputSha256),
    truncated: stdout.truncated || stderr.truncated,
  }
}

/**
 * By what output is compared after normalising; undefined from agents that do not normalise. Where nothing was taken out it is the
 * hash of the output itself, whatever the rules are; otherwise outputs are alike only by the same rules.
 */
function normalisedOf(stdout: OutputSummary, stderr: OutputSummary, exact: Buffer): Buffer | undefined {
  const rules = stdout.normalisedRules
  const hashes = [stdout.normalisedSha256, stderr.normalisedSha256]
  if (!rules || rules !== stderr.normalisedRules || hashes.some((hash) => hash.length !== 32))
    return undefined
  const isPlain = [stdout, stderr].every((stream) => stream.normalisedSha256.equals(stream.sha256))
  return isPlain ? exact : sha256(Buffer.concat([Buffer.from(`normalised by ${rules}\n`), ...hashes]))
}

// As much as an honest agent tells.
const VALUES_MAX = 64
const VALUES_MAX_BYTES = 300_000

/** What the script said of itself, as far as the ledger takes it. */
function saidOf({ tag, variables }: TaskUpdate): Pick<HostUpdate, 'tag' | 'values'> {
  const bytes = variables.reduce(
    (sum, { items }) => sum + items.reduce((all, item) => all + item.length, 0),
    0,
  )
  const isFit =
    variables.length <= VALUES_MAX &&
    bytes <= VALUES_MAX_BYTES &&
    variables.every(({ name, items }) => /^[A-Za-z_]\w{0,63}$/.test(name) && items.length <= VALUES_MAX_BYTES)
  return {
    tag: tag ? cutText(cleanText(tag), TAG_MAX_CHARACTERS) : undefined,
    values:
      variables.length && isFit
        ? variables.map(({ name, items }) => ({ name, items: [...items] }))
        : undefined,
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
