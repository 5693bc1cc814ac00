/** Plans: compiling what a person wrote into the immutable list of steps that the workflow interprets. */
import type { DbAccount } from './db-account.js'
import { PlatformError } from './errors.js'
import type { PlanName } from './job.js'
import type { PlanInput } from './plan.schema.js'
import type { FrozenSecret } from './secret.js'
import type { Sha256, UsedScript } from './step/script-step.js'
import { type CompiledStep, compileStep, hostStepOf } from './step/step.js'
import { type CompiledVariable, compileVariables } from './variable.js'
import { isGiven, secretUseOf, settleSecrets } from './secret-variable.js'
import type { Value, Values } from './variable.schema.js'

/**
 * Version of the meaning of a compiled plan; the interpreter keeps every one that may still run.
 * 2: steps may have `retry` and `when`, and may be waits.
 * 3: there may be variables, steps may be SQL, and they may have `secrets`. An older worker would run them without: it is given
 * no such plan, and takes all others.
 */
export const IR_VERSION = 3
const OF_BEFORE = 2

/** Largest compiled plan, in characters of JSON: Temporal warns at 512 KiB, and one workflow task must stay under 4 MiB. */
const PLAN_MAX_CHARACTERS = 200_000

export interface CompiledPlan {
  irVersion: number
  name: string
  /** The job and its plan that it is of; left out where it came with the launch. */
  job?: PlanName
  /** With the values that the run begins with; left out where there are none. */
  variables?: CompiledVariable[]
  /** Secret variables that have a value, by their names; every script step has them among its own. */
  secrets?: Record<string, FrozenSecret>
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
}

export interface PlanSources extends Partial<Found> {
  sha256: Sha256
}

export interface Compilation {
  plan: CompiledPlan
  /** Script texts by sha256 (hex). */
  scripts: Map<string, string>
  /** Values of secret variables that came with the launch: kept by nobody yet, and in the plan only by their names. */
  given: Map<string, string>
}

/** Stands in a plan for a value that came with its launch, until that is kept. */
const GIVEN: FrozenSecret = { secret: '', version: 0, id: '' }

/**
 * @throws PlatformError script_too_large, plan_invalid, plan_too_large, variable_unknown, variable_required
 */
export function compilePlan(
  input: PlanInput & { job?: PlanName },
  { sha256, used = new Map(), secrets = new Map(), dbAccounts = new Map() }: PlanSources,
  values: LaunchValues = {},
): Compilation {
  const scripts = new Map<string, string>()
  const variables = compileVariables(
    input.variables ?? [],
    [values.launch ?? {}, values.own ?? {}],
    values.launch !== undefined,
  )
  const settled = settleSecrets(
    input.variables ?? [],
    [values.launch ?? {}, values.own ?? {}],
    values.launch !== undefined,
  )
  const given = new Map([...settled].filter((entry): entry is [string, string] => isGiven(entry[1])))
  const shared = freezeShared(settled, secrets)
  const sources = {
    sha256,
    used,
    secrets,
    dbAccounts,
    texts: scripts,
    variables,
    shared,
    named: input.variables ?? [],
  }
  const steps = input.steps.map((_, index) => compileStep(input.steps, index, sources))
  const isNew = variables.length > 0 || steps.some(isOfNow)
  const { name, job } = input
  const plan = {
    irVersion: isNew ? IR_VERSION : OF_BEFORE,
    name,
    ...(job ? { job } : {}),
    ...(variables.length ? { variables } : {}),
    ...(Object.keys(shared).length ? { secrets: shared } : {}),
    steps,
  }
  const size = JSON.stringify(plan).length
  if (size > PLAN_MAX_CHARACTERS) {
    throw new PlatformError(
      'plan_too_large',
      `the plan has ${size} characters without its scripts, at most ${PLAN_MAX_CHARACTERS} are taken; shorten arguments and environments`,
    )
  }
  return { plan, scripts, given }
}

/** The versions that secret variables mean. @param found by how values name them */
function freezeShared(
  settled: ReadonlyMap<string, Value>,
  found: ReadonlyMap<string, FrozenSecret>,
): Record<string, FrozenSecret> {
  const frozen = [...settled].map(([name, value]): [string, FrozenSecret] => {
    const use = secretUseOf(value)
    if (use === undefined) return [name, GIVEN]
    const version = found.get(use)
    if (!version) throw new Error(`variable ${name} names secret ${use}, which was not looked up`)
    return [name, version]
  })
  return Object.fromEntries(frozen)
}

/** The plan with what its launch has kept of the values that came with it. @param kept by names of variables */
export function withKept(plan: CompiledPlan, kept: ReadonlyMap<string, FrozenSecret>): CompiledPlan {
  if (!kept.size || !plan.secrets) return plan
  const replace = (secrets: Record<string, FrozenSecret>) =>
    Object.fromEntries(Object.entries(secrets).map(([name, was]) => [name, kept.get(name) ?? was]))
  const steps = plan.steps.map((step) =>
    step.type === 'script' && step.secrets ? { ...step, secrets: replace(step.secrets) } : step,
  )
  return { ...plan, secrets: replace(plan.secrets), steps }
}

const isOfNow = (step: CompiledStep) => step.type === 'sql' || hostStepOf(step)?.secrets !== undefined
