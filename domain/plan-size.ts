/** How much a plan may be, and the plans that it nests: asked while it is read and compiled, so that too much of it is never there. */
import { PlatformError } from './errors.js'
import type { NestablePlan } from './inline-plans.js'
import { RUN_MAX_STEPS } from './nested-plan.js'
import type { StepInput } from './plan.schema.js'

/** Largest compiled plan, in characters of JSON: Temporal warns at 512 KiB, and one workflow task must stay under 4 MiB. */
export const PLAN_MAX_CHARACTERS = 200_000

/** Of all plans that one nests, each read once with all that its job had, scripts and all: four of the largest jobs. */
export const NESTED_MAX_CHARACTERS = 32 * 1024 * 1024

/** What plans that are nested come to, as each of them is found. */
export class NestedSize {
  private steps = 0
  private characters = 0

  /** @param steps of the plan that nests them */
  constructor(steps: readonly StepInput[]) {
    this.addSteps(steps)
  }

  /**
   * @param characters of what was read of it, which is more than the steps that it chose
   * @throws PlatformError plan_too_large
   */
  add({ steps }: Pick<NestablePlan, 'steps'>, characters: number): void {
    this.addSteps(steps)
    this.characters += characters
    if (this.characters > NESTED_MAX_CHARACTERS) throw tooMuchNested()
  }

  /** Each plan that is found is visited once at least: its steps are that many of the run, those of plans in it come by themselves. */
  private addSteps(steps: readonly StepInput[]): void {
    this.steps += steps.filter(({ type }) => type !== 'plan').length
    if (this.steps > RUN_MAX_STEPS) throw tooManySteps()
  }
}

export function tooManySteps(): PlatformError {
  return new PlatformError(
    'plan_too_large',
    `with those of the plans that it nests the plan has over ${RUN_MAX_STEPS} steps: launch them one after another`,
  )
}

export function tooManyCharacters(): PlatformError {
  return new PlatformError(
    'plan_too_large',
    `the plan has over ${PLAN_MAX_CHARACTERS} characters without its scripts, with those of the plans that it nests; shorten arguments, environments and values of variables`,
  )
}

function tooMuchNested(): PlatformError {
  return new PlatformError(
    'plan_too_large',
    `the jobs of the plans that it nests have over ${NESTED_MAX_CHARACTERS / 1024 / 1024} MiB together: put their scripts into the library, and let steps use them`,
  )
}
