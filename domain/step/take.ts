/**
 * Hosts that a step takes from an earlier one: those that came to something in it. Which they are is known when the step begins; they are hosts of
 * the run in any case.
 */
import { type HostState, hostStates, retriedStates } from '../host-result.js'

export interface Take {
  /** Position of the earlier step. */
  step: number
  /** `failed` are those that a retry would take, as in `run:812:failed`. */
  which: Which
}

/** Where a compiled step runs, if not on the hosts of the run. */
export interface Targeted {
  /** As it was written. */
  target?: string | undefined
  /** Where these are hosts of earlier steps. */
  takes?: Take[]
  onEmpty?: 'skip' | 'fail' | undefined
}

export type Which = 'all' | HostState

/** @returns undefined where it is none */
export function parseWhich(word: string): Which | undefined {
  return word === 'all' || (hostStates as readonly string[]).includes(word) ? (word as Which) : undefined
}

/** The states that are meant. */
export function statesOf(which: Which): readonly HostState[] {
  if (which === 'all') return hostStates
  return which === 'failed' ? retriedStates : [which]
}

/** For people, who count from 1: `failed hosts of step 2`. */
export function describeTakes(takes: readonly Take[]): string {
  return takes
    .map(
      ({ step, which }) => `${which === 'all' ? 'all' : which.replace('_', ' ')} hosts of step ${step + 1}`,
    )
    .join(', ')
}
