/**
 * One visit of one step inside an execution.
 *
 *   pending → running ⇄ paused, waiting → succeeded | failed | ignored | cancelled
 *      └→ skipped          running → cancelling → cancelled, or ignored where an operator goes past it
 *   A retry, a skip or an ignore takes a failed one back: always with an operation's row, hosts with a new attempt.
 */
import { type HostCounts, summarize } from './host-result.js'

export const stepStates = [
  'pending',
  'running',
  'waiting',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
  'skipped',
  'ignored',
] as const
export type StepState = (typeof stepStates)[number]

/** Reason of what an operator's `next` ended. */
export const STEP_ENDED = 'step_ended'

/** Reason of a step that was to go to hosts of earlier ones, where there was none. */
export const TARGET_EMPTY = 'target_empty'

export type OnFailure = 'stop' | 'ignore'

const finals: readonly StepState[] = ['succeeded', 'failed', 'cancelled', 'skipped', 'ignored']

export function isFinalStepState(state: StepState): boolean {
  return finals.includes(state)
}

/** The state of a step whose hosts are all final. */
export function stepVerdict(counts: HostCounts, onFailure: OnFailure, cancelled: boolean): StepState {
  if (summarize(counts).bad === 0) return 'succeeded'
  if (cancelled) return 'cancelled'
  return onFailure === 'ignore' ? 'ignored' : 'failed'
}
