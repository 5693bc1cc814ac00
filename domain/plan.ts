/** Plans: compiling what a person wrote into the immutable list of steps that the workflow interprets. */
import type { DbAccount } from './db-account.js'
import { PlatformError } from './errors.js'
import type { PlanName } from './job.js'
import type { PlanInput } from './plan.schema.js'
import type { FrozenSecret } from './secret.js'
import type { Sha256, UsedScript } from './step/script-step.js'
import { type CompiledStep, compileStep, compileUndo, hostStepOf, importsOf, undoesOf } from './step/step.js'
import { type CompiledVariable, compileVariables } from './variable.js'
import type { Values } from './variable.schema.js'

/**
 * Version of the meaning of a compiled plan; the interpreter keeps every one that may still run.
 * 2: steps may have `retry` and `when`, and may be waits.
 * 3: there may be variables, steps may be SQL, and they may have `secrets`.
 * 4: there may be steps that take others back, which no run goes through by itself, and such that restart hosts; steps may have
 * targets of their own and imports, and variables may be host lists.
 * An older worker would run a plan without what it does not know: it is given no such plan, and takes all others.
 */
export const IR_VERSION = 4

/** Largest compiled plan, in characters of JSON: Temporal warns at 512 KiB, and one workflow task must stay under 4 MiB. */
const PLAN_MAX_CHARACTERS = 200_000

export interface CompiledPlan {
  irVersion: number
  name: string
  /** The job and its plan that it is of; left out where it came with the launch. */
  job?: PlanName
  /** With the values that the run begins with; left out where there are none. */
  variables?: CompiledVariable[]
  /** Those of the run in their order, then what takes them back, newest first. */
  steps: CompiledStep[]
}

/** What a plan is launched with. */
export interface LaunchValues {
  /** The plan's own values. */
  own?: Values | undefined
  /** The launch's; undefined where the plan is only checked, and what is required may be missing still. */
  launch?: Values | undefined
}

/** What the steps name, by how they name it, found beforehand: this part is pure. */
export interface Found {
  used: ReadonlyMap<string, UsedScript>
  /** Of steps, and of the database accounts that they name. */
  secrets: ReadonlyMap<string, FrozenSecret>
  dbAccounts: ReadonlyMap<string, DbAccount>
  /** Texts of the library that import something, by their hashes. */
  importing: ReadonlyMap<string, string>
}

export interface PlanSources extends Partial<Found> {
  sha256: Sha256
}

export interface Compilation {
  plan: CompiledPlan
  /** Script texts by sha256 (hex). */
  scripts: Map<string, string>
}

/**
 * @throws PlatformError script_too_large, plan_invalid, plan_too_large, variable_unknown, variable_required
 */
export function compilePlan(
  input: PlanInput & { job?: PlanName },
  {
    sha256,
    used = new Map(),
    secrets = new Map(),
    dbAccounts = new Map(),
    importing = new Map(),
  }: PlanSources,
  values: LaunchValues = {},
): Compilation {
  const scripts = new Map<string, string>()
  const variables = compileVariables(
    input.variables ?? [],
    [values.launch ?? {}, values.own ?? {}],
    values.launch !== undefined,
  )
  const sources = { sha256, used, secrets, dbAccounts, importing, texts: scripts, variables }
  const steps = [
    ...input.steps.map((_, index) => compileStep(input.steps, index, sources)),
    ...compileUndo(input.steps, sources),
  ]
  const { name, job } = input
  const plan = {
    irVersion: neededVersion(steps, variables),
    name,
    ...(job ? { job } : {}),
    ...(variables.length ? { variables } : {}),
    steps,
  }
  const size = JSON.stringify(plan).length
  if (size > PLAN_MAX_CHARACTERS) {
    throw new PlatformError(
      'plan_too_large',
      `the plan has ${size} characters without its scripts, at most ${PLAN_MAX_CHARACTERS} are taken; shorten arguments and environments`,
    )
  }
  return { plan, scripts }
}

/** The oldest version that knows all that a plan has. */
function neededVersion(steps: readonly CompiledStep[], variables: readonly CompiledVariable[]): number {
  const isOfFour = (step: CompiledStep) =>
    step.type === 'reboot' ||
    undoesOf(step) !== undefined ||
    hostStepOf(step)?.target !== undefined ||
    importsOf(step).length > 0
  if (steps.some(isOfFour) || variables.some(({ type }) => type === 'hostList')) return 4
  const isOfThree = (step: CompiledStep) => step.type === 'sql' || hostStepOf(step)?.secrets !== undefined
  return variables.length || steps.some(isOfThree) ? 3 : 2
}
