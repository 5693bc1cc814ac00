/** Plans: compiling what a person wrote into the immutable list of steps that the workflow interprets. */
import { PlatformError } from './errors.js'
import type { PlanName } from './job.js'
import type { PlanInput } from './plan.schema.js'
import type { Sha256, UsedScript } from './step/script-step.js'
import { type CompiledStep, compileStep } from './step/step.js'

/**
 * Version of the meaning of a compiled plan; the interpreter keeps every one that may still run.
 * 2: steps may have `retry` and `when`, and may be waits.
 */
export const IR_VERSION = 2

/** Largest compiled plan, in characters of JSON: Temporal warns at 512 KiB, and one workflow task must stay under 4 MiB. */
const PLAN_MAX_CHARACTERS = 200_000

export interface CompiledPlan {
  irVersion: number
  name: string
  /** The job and its plan that it is of; left out where it came with the launch. */
  job?: PlanName
  steps: CompiledStep[]
}

export interface Compilation {
  plan: CompiledPlan
  /** Script texts by sha256 (hex). */
  scripts: Map<string, string>
}

/**
 * @param used by what the steps' `uses` say
 * @throws PlatformError script_too_large, plan_invalid, plan_too_large
 */
export function compilePlan(
  input: PlanInput & { job?: PlanName },
  sha256: Sha256,
  used: ReadonlyMap<string, UsedScript> = new Map(),
): Compilation {
  const scripts = new Map<string, string>()
  const steps = input.steps.map((_, index) =>
    compileStep(input.steps, index, { sha256, used, texts: scripts }),
  )
  const { name, job } = input
  const plan = { irVersion: IR_VERSION, name, ...(job ? { job } : {}), steps }
  const size = JSON.stringify(plan).length
  if (size > PLAN_MAX_CHARACTERS) {
    throw new PlatformError(
      'plan_too_large',
      `the plan has ${size} characters without its scripts, at most ${PLAN_MAX_CHARACTERS} are taken; shorten arguments and environments`,
    )
  }
  return { plan, scripts }
}
