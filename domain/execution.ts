/**
 * One run of a plan, or of a single ad-hoc step.
 *
 *   pending → running ⇄ waiting, paused → succeeded | failed
 *      └──────────┴→ cancelling → cancelled
 *   cancelling → running: where a paused run is undone, by a continuation.
 *   failed | cancelled → running: only by an operation that starts the continuation (design: the one way out of an end).
 */
import { isFinalStepState, type StepState } from './step-execution.js'

export const executionStates = [
  'pending',
  'running',
  'waiting',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const
export type ExecutionState = (typeof executionStates)[number]

const finals: readonly ExecutionState[] = ['succeeded', 'failed', 'cancelled']

export function isFinalExecutionState(state: ExecutionState): boolean {
  return finals.includes(state)
}

/** What an execution does next, given its steps in order. */
export type NextStep =
  | { do: 'run'; index: number }
  | { do: 'end'; state: 'succeeded' | 'failed' | 'cancelled' }

const begun: readonly StepState[] = ['running', 'waiting', 'paused', 'cancelling']

/**
 * The first step that is not done decides: one that failed or was cancelled ends the run at once. A cancelled run that is
 * taken up by another workflow first ends the hosts of the step that had begun.
 */
export function nextStep(steps: readonly StepState[], cancelRequested: boolean): NextStep {
  if (cancelRequested) {
    const index = steps.findIndex((state) => begun.includes(state))
    return index < 0 ? { do: 'end', state: 'cancelled' } : { do: 'run', index }
  }
  for (const [index, state] of steps.entries()) {
    if (state === 'failed') return { do: 'end', state: 'failed' }
    if (state === 'cancelled') return { do: 'end', state: 'cancelled' }
    if (!isFinalStepState(state)) return { do: 'run', index }
  }
  return { do: 'end', state: 'succeeded' }
}

/**
 * The id of the workflow that runs an execution; written into its row once, and read from there ever after.
 * @param recovery tag of the newest recovery: continuations of a time that the database forgot may have had their number
 */
export function workflowIdOf(
  scopeName: string,
  executionId: string,
  continuation: number,
  recovery?: string,
): string {
  const id = `execution/${scopeName}/${executionId}`
  if (continuation === 0) return id
  return recovery === undefined ? `${id}.${continuation}` : `${id}.${continuation}-${recovery}`
}

/** Reason of a run that waits for a person because the database, or the engine, has lost what became of it. */
export const RECOVERED = 'recovered'

/** Why nothing else is done with such a run. */
export const HELD_BY_RECOVERY =
  'the run is held because a database was restored: look at it, then resume or cancel it'

/** Whether nobody carries the run, and nothing of it may be sent, until it is resumed or cancelled. */
export function isHeldByRecovery(execution: { state: ExecutionState; reason: string | null }): boolean {
  return execution.state === 'paused' && execution.reason === RECOVERED
}
