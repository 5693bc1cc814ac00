/**
 * One run of a plan, or of a single ad-hoc step.
 *
 *   pending → running ⇄ waiting, paused → succeeded | failed
 *      └──────────┴→ cancelling → cancelled
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

/** The first step that is not done decides: one that failed or was cancelled ends the run at once. */
export function nextStep(steps: readonly StepState[], cancelRequested: boolean): NextStep {
  if (cancelRequested) return { do: 'end', state: 'cancelled' }
  for (const [index, state] of steps.entries()) {
    if (state === 'failed') return { do: 'end', state: 'failed' }
    if (state === 'cancelled') return { do: 'end', state: 'cancelled' }
    if (!isFinalStepState(state)) return { do: 'run', index }
  }
  return { do: 'end', state: 'succeeded' }
}

/** The id of the workflow that runs an execution; written into its row once, and read from there ever after. */
export function workflowIdOf(scopeName: string, executionId: string, continuation: number): string {
  const id = `execution/${scopeName}/${executionId}`
  return continuation === 0 ? id : `${id}.${continuation}`
}
