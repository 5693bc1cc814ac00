/** From a verdict to the record that is kept and the update that is sent. */
import { type DispatchOrder, Started, TaskState, TaskUpdate } from '../../proto/index.js'
import { EMPTY_STREAM, type Result, toFinalUpdate, UPDATE_SEQUENCE } from '../journal/records.js'
import { variablesOf } from '../capability/variables.js'
import { decodeSpec } from './order.js'
import type { Mask } from '../output/mask.js'
import type { Refusal } from './refusal.js'
import { readSaid } from './said.js'
import type { Task } from './task.js'
import { rejected, type Verdict } from './verdict.js'

/** The rows of the ledger that an order is about. */
export function rowsOf(
  order: DispatchOrder | undefined,
): Pick<Result, 'executionId' | 'stepExecutionId' | 'attempt' | 'outputDay' | 'scopeId' | 'specSha256'> {
  return {
    executionId: String(order?.executionId ?? 0),
    stepExecutionId: String(order?.stepExecutionId ?? 0),
    attempt: order?.attempt ?? 0,
    outputDay: order?.outputDay ?? '',
    scopeId: String(order?.scopeId ?? ''),
    specSha256: order?.specSha256.toString('hex') ?? '',
  }
}

/** A record with no output and no duration yet. */
export function toResult(verdict: Verdict, order: DispatchOrder | undefined): Result {
  const { state, exitCode, signal, reason, detail, started, failed } = verdict
  return {
    version: 1,
    state,
    ...rowsOf(order),
    ...(exitCode === undefined ? {} : { exitCode }),
    signal,
    reason,
    detail,
    started,
    ...(failed ? { failed } : {}),
    durationMs: 0,
    stdout: EMPTY_STREAM,
    stderr: EMPTY_STREAM,
    endedAtMs: Date.now(),
    expiresAtMs: Number(order?.expiresAtMs ?? 0),
  }
}

/** A record with what the script said of itself, masked like its output, and with what the loss of its values makes of a success. */
export function withSaid(
  result: Result,
  task: Pick<Task, 'intent' | 'order' | 'script'>,
  mask: Mask | undefined,
): Result {
  const { intent, order, script } = task
  if (!intent || result.started === Started.STARTED_NO) return result
  const isGood = result.state === TaskState.TASK_STATE_EXITED && result.exitCode === 0 && !result.signal
  const { tag, variables, lost } = readSaid(intent.scriptFolder, variablesOf(script, order), {
    expected: isGood && intent.captures === true,
    mask,
  })
  const told = variables.map(({ name, type, items }) => ({
    name,
    type,
    items: items.map((item) => item.toString('base64')),
  }))
  return {
    ...result,
    ...(tag ? { tag } : {}),
    ...(isGood && told.length ? { variables: told } : {}),
    ...(isGood && lost ? { reason: 'variable_not_captured', detail: lost } : {}),
    ...(isGood && lost && !script.keepUncaptured ? { failed: true } : {}),
  }
}

/** The answer to an order that was refused. */
export function refusedUpdate(order: DispatchOrder, refusal: Refusal): TaskUpdate {
  const result = toResult(rejected(refusal.code, refusal.detail), order)
  return toFinalUpdate(order.dispatchId, result, { stdout: 0, stderr: 0 })
}

/**
 * The update of a task that has not ended.
 * @param runningForMs undefined while it waits
 */
export function toLiveUpdate(
  dispatchId: Buffer,
  order: DispatchOrder | undefined,
  runningForMs: number | undefined,
): TaskUpdate {
  const running = runningForMs !== undefined
  return {
    dispatchId,
    state: running ? TaskState.TASK_STATE_RUNNING : TaskState.TASK_STATE_ACCEPTED,
    sequence: running ? UPDATE_SEQUENCE.running : UPDATE_SEQUENCE.accepted,
    executionId: order?.executionId ?? 0n,
    stepExecutionId: order?.stepExecutionId ?? 0n,
    attempt: order?.attempt ?? 0,
    outputDay: order?.outputDay ?? '',
    exitCode: undefined,
    signal: '',
    reason: '',
    detail: '',
    started: running ? Started.STARTED_YES : Started.STARTED_NO,
    durationMs: 0n,
    stdout: undefined,
    stderr: undefined,
    startedAgoMs: BigInt(Math.max(0, runningForMs ?? 0)),
    variables: [],
    tag: '',
    failed: false,
  }
}

/** The answer about a task that this journal does not know. */
export function absentUpdate(dispatchId: Buffer): TaskUpdate {
  return TaskUpdate.fromPartial({ dispatchId, state: TaskState.TASK_STATE_UNSPECIFIED })
}

/** The output cap of an accepted task; 0 in the spec means none. */
export function capOf(spec: string): number {
  const cap = Number(decodeSpec(Buffer.from(spec, 'base64'))?.task?.value.outputCapBytes ?? 0)
  return cap > 0 ? cap : Number.MAX_SAFE_INTEGER
}
