/**
 * One visit of one step inside an execution.
 *
 *   pending → running ⇄ paused, waiting → succeeded | failed | ignored | cancelled
 *      └→ skipped          running → cancelling → cancelled
 *   A retry or a skip takes a failed one back: always with an operation's row and a new attempt.
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
