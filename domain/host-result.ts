/**
 * What one host made of one attempt of a step.
 *
 *   pending → dispatched → running → succeeded | failed | timed_out | cancelled | rejected | unknown
 *      └→ skipped | offline | cancelled | rejected
 *   unknown → (amended once, when the journal answers) succeeded | failed | timed_out | cancelled | rejected, or unknown for good
 */

export const hostStates = [
  'pending',
  'dispatched',
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'rejected',
  'skipped',
  'offline',
  'unknown',
] as const
export type HostState = (typeof hostStates)[number]

/** Whether the script's process began (one that is ended in that moment may have come to no instruction): `maybe` only where the state is `unknown`. */
export type Started = 'no' | 'yes' | 'maybe'

export type HostCounts = Partial<Record<HostState, number>>

const open: readonly HostState[] = ['pending', 'dispatched', 'running']

export function isFinalHostState(state: HostState): boolean {
  return !open.includes(state)
}

/** States that "retry failed" takes up. `unknown` is left out unless named: the script may have run. */
export const retriedStates: readonly HostState[] = ['failed', 'timed_out', 'cancelled', 'rejected', 'offline']

/** How far along a state is; a write may only move up (an amendment of `unknown` is a write of its own). */
export function stateRank(state: HostState): number {
  return isFinalHostState(state) ? 3 : open.indexOf(state)
}

/** Host results by how they bear on the step: every host is in exactly one. */
export function summarize(counts: HostCounts): { total: number; open: number; ok: number; bad: number } {
  const sum = (states: readonly HostState[]) => states.reduce((n, state) => n + (counts[state] ?? 0), 0)
  const total = sum(hostStates)
  const stillOpen = sum(open)
  const ok = sum(['succeeded', 'skipped'])
  return { total, open: stillOpen, ok, bad: total - stillOpen - ok }
}
