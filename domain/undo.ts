/**
 * Undo: a run is taken back, newest step first, on hosts where each step took effect. The steps of the undo stand in the compiled
 * plan after those that they take back; they get their rows when somebody asks for the undo.
 */
import type { OperationArgs } from './operation.js'
import type { StepState } from './step-execution.js'

/** Reason of steps that a run had not begun when it was undone. */
export const RUN_UNDONE = 'run_undone'
/** Reason of a host that an operator has left out of the undo: nobody knows whether the run took effect on it. */
export const UNDO_LEFT_OUT = 'undo_left_out'
/** Reason of a run that was cancelled to be undone, where that could not be begun: a note in its log says why. */
export const UNDO_NOT_BEGUN = 'undo_not_begun'
/** Reason of a step of the undo that has no host. */
export const NOTHING_TO_UNDO = 'nothing_to_undo'

interface Undoing {
  state: StepState
  /** Position of the step that it takes back, if it is of the undo. */
  undoes?: number | null | undefined
}

export function isUndoing(steps: readonly Pick<Undoing, 'undoes'>[]): boolean {
  return steps.some(({ undoes }) => typeof undoes === 'number')
}

/** The steps as far as anything may still become of them: once a run is undone, what it did is past whatever it came to. */
export function inPlay<S extends Undoing>(steps: readonly S[]): S[] {
  if (!isUndoing(steps)) return [...steps]
  return steps.map((step) =>
    typeof step.undoes === 'number' ? step : { ...step, state: 'skipped' as const, reason: null, counts: {} },
  )
}

/** How a run stands that was undone: it did not succeed, whatever it came to before. */
export function endOfUndo(undo: 'succeeded' | 'failed' | 'cancelled'): {
  state: 'failed' | 'cancelled'
  reason: string
} {
  if (undo === 'succeeded') return { state: 'cancelled', reason: 'undone' }
  return { state: undo, reason: `undo_${undo}` }
}

/** What an undo would begin with now. */
export interface UndoTally {
  /** Steps of the plan that say how they are undone. */
  steps: number
  /** Scripts to undo: of each step, hosts on which it took effect and that were not given to the undo yet. */
  effects: number
  /** Names of hosts of which nobody knows whether such a step took effect, in the order of the target. */
  unknown: readonly string[]
  /** Of an undo that was asked for earlier: how many of these were known then. */
  unknownSince?: number
}

const NAMED = 5

/** Why an undo cannot be begun, if so: nobody is undone on a guess, nor left out without a word. */
export function undoFault(args: OperationArgs, tally: UndoTally): string | undefined {
  const { steps, effects, unknown, unknownSince } = tally
  if (!steps) return 'no step of this run says how it is undone'
  const { includeUnknown, unknownHosts } = args
  const hosts = `${unknown.length} ${unknown.length === 1 ? 'host' : 'hosts'}`
  if (unknown.length && includeUnknown === undefined)
    return `the outcome of ${hosts} is unknown (${named(unknown)}): their script may have run; say with includeUnknown whether they are undone, too, or left out, and with unknownHosts how many they are`
  // What was said of hosts holds for fewer of them, and for no other.
  if (includeUnknown !== undefined && unknownSince !== undefined && unknownSince > 0)
    return `the outcome of ${hosts} is unknown now, and ${unknownSince} of them were known when it was asked for: look again`
  if (includeUnknown !== undefined && unknownSince === undefined && unknownHosts !== unknown.length)
    return `the outcome of ${hosts} is unknown now, not of ${unknownHosts ?? 'a number that was said'}: look again`
  if (effects || (includeUnknown && unknown.length)) return undefined
  return 'there is nothing to undo: no script of a step that says how it is undone has begun, or all of it is undone or under way; retry, resume, skip and ignore go on with an undo that stands'
}

function named(names: readonly string[]): string {
  const more = names.length - NAMED
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
