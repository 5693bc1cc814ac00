/** What takes a step back, compiled: a step of its own kind, with the name and, unless it says another, the account of its step. */
import { cutText } from '../text.js'
import type { StepInput } from '../plan.schema.js'
import type { UndoInput } from './undo.schema.js'

const NAME_MAX = 120

/** The step that a person would have written; undefined where nothing takes the step back. */
export function undoStepOf(step: StepInput): (UndoInput & { name: string; account: string }) | undefined {
  if ((step.type !== 'script' && step.type !== 'sql') || !step.undo) return undefined
  return {
    ...step.undo,
    name: cutText(`undo of ${step.name}`, NAME_MAX),
    account: step.undo.account ?? step.account,
  }
}
