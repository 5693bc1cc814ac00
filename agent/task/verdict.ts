/** The verdict on a task, from what was recorded: its exit, and the decisions to cancel or end it. */
import { constants } from 'node:os'
import { Started, TaskState } from '../../proto/index.js'
import type { Cancel, ExitRecord, Timeout } from '../journal/records.js'

// A shell tells a signal as this and its number.
const SIGNALLED = 128
const SIGNALS = 64

export interface Verdict {
  state: TaskState
  exitCode?: number
  signal: string
  reason: string
  detail: string
  started: Started
  /** It exited with 0 and has failed all the same, for `reason`. */
  failed?: true
}

export interface Ending {
  exit: ExitRecord | undefined
  cancel: Cancel | undefined
  timeout: Timeout | undefined
  /** Boot in which the task ran; decisions of another boot came later than any exit. */
  bootId: string
  /** Pids that could not be ended. */
  leftOver: number[]
}

/** An exit that was recorded before a decision stands; otherwise the earlier decision names the state. */
export function decideVerdict(ending: Ending): Verdict {
  const { exit } = ending
  const exitAt = exit?.uptimeMs ?? Number.POSITIVE_INFINITY
  const cancelAt = decidedAt(ending.cancel, ending.cancel?.receivedUptimeMs, ending.bootId)
  const timeoutAt = decidedAt(ending.timeout, ending.timeout?.decidedUptimeMs, ending.bootId)
  const started = Started.STARTED_YES
  const plain = { ...exitFields(exit), started }
  if (exit && exitAt < Math.min(cancelAt, timeoutAt)) {
    return { ...plain, state: TaskState.TASK_STATE_EXITED, reason: '', detail: '' }
  }
  const leftOver = ending.leftOver.length
    ? `; processes ${ending.leftOver.join(', ')} could not be ended`
    : ''
  if (ending.cancel && cancelAt <= timeoutAt) {
    const detail = `stopped by a signed order${leftOver}`
    return {
      ...plain,
      state: TaskState.TASK_STATE_CANCELLED,
      reason: cancelCode(ending.cancel.reason),
      detail,
    }
  }
  if (ending.timeout) {
    const detail = `the script was ended because its time was over${leftOver}`
    return { ...plain, state: TaskState.TASK_STATE_TIMED_OUT, reason: 'timed_out', detail }
  }
  return interrupted('interrupted', started)
}

/** The script started, or may have, and its end was not seen. */
export function interrupted(reason: 'interrupted' | 'rebooted', started: Started): Verdict {
  const details = {
    interrupted:
      'the process that watched the script is gone and left no exit status; look on the host before a retry',
    rebooted: 'the host was restarted after it had accepted the task; look on the host before a retry',
  }
  return { state: TaskState.TASK_STATE_INTERRUPTED, signal: '', reason, detail: details[reason], started }
}

/** A host that was to be restarted has another boot id. */
export function bootedAgain(): Verdict {
  return {
    state: TaskState.TASK_STATE_EXITED,
    exitCode: 0,
    signal: '',
    reason: '',
    detail: 'the host has booted again',
    started: Started.STARTED_YES,
  }
}

/** Its command was given, and the time is over: the boot id is the one that it was. */
export function notBootedAgain(exit: ExitRecord): Verdict {
  return {
    ...exitFields(exit),
    state: TaskState.TASK_STATE_EXITED,
    reason: 'reboot_not_seen',
    detail:
      'the command that restarts the host was given, and the host did not go down within the time of the step',
    started: Started.STARTED_YES,
    failed: true,
  }
}

/** Nobody waits for it any more; what the host was told cannot be taken back. */
export function cancelledReboot(reason: string): Verdict {
  return {
    ...cancelledUnstarted(reason),
    detail: 'stopped by a signed order after the host was told to restart, which may still come',
    started: Started.STARTED_YES,
  }
}

/** Whether a command that restarts the host may have been heard: it ended well, or by what ends all processes of a host that goes down. */
export function mayReboot({ status }: ExitRecord): boolean {
  return status === 0 || (status > SIGNALLED && status <= SIGNALLED + SIGNALS)
}

/** The code that the stop order gave: a cancel by an operator, or a hard pause. */
function cancelCode(reason: string): string {
  return reason || 'cancelled_by_operator'
}

/** Cancelled before anything ran. */
export function cancelledUnstarted(reason: string): Verdict {
  return {
    state: TaskState.TASK_STATE_CANCELLED,
    signal: '',
    reason: cancelCode(reason),
    detail: 'stopped by a signed order before it started',
    started: Started.STARTED_NO,
  }
}

export function rejected(code: string, detail: string): Verdict {
  return {
    state: TaskState.TASK_STATE_REJECTED,
    signal: '',
    reason: code,
    detail,
    started: Started.STARTED_NO,
  }
}

function decidedAt(
  decision: { bootId: string } | undefined,
  uptimeMs: number | undefined,
  bootId: string,
): number {
  if (!decision || uptimeMs === undefined) return Number.POSITIVE_INFINITY
  return decision.bootId === bootId ? uptimeMs : Number.MAX_SAFE_INTEGER
}

// A shell cannot tell a signal from `exit 137`; both fields are given.
function exitFields(exit: ExitRecord | undefined): { exitCode?: number; signal: string } {
  if (!exit) return { signal: '' }
  const name = Object.entries(constants.signals).find(([, number]) => number === exit.status - SIGNALLED)?.[0]
  return { exitCode: exit.status, signal: name ?? '' }
}
