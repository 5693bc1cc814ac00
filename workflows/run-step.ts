/** How steps of each kind run: a new kind is one line here, or nothing compiles. */
import type { ClaimedStep, ExecutionRef } from '../activities/contract.js'
import type { StepType } from '../domain/step/step.js'
import { FanOut } from './fan-out.js'
import type { RunState } from './run-state.js'
import type { Display } from './show.js'
import { waitStep } from './wait-step.js'

/** Resolves when the step has its verdict; or, with false, when the history has become so long that a new one must go on. */
type Runner = (ref: ExecutionRef, step: ClaimedStep, run: RunState, display: Display) => Promise<boolean>

const runners: { [T in StepType]: Runner } = {
  script: (ref, step, run, display) => new FanOut(ref, step, run, display).finish(),
  wait: waitStep,
}

export const runStep: Runner = (ref, step, run, display) =>
  runners[step.type ?? 'script'](ref, step, run, display)
