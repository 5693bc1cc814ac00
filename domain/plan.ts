/** Plans: compiling what a person wrote into the immutable list of steps that the workflow interprets. */
import type { DbAccount } from './db-account.js'
import { type Inlined, inlinePlans, type NestablePlan } from './inline-plans.js'
import type { PlanName } from './job.js'
import type { NestedPlan } from './nested-plan.js'
import type { PlanInput } from './plan.schema.js'
import { PLAN_MAX_CHARACTERS, tooManyCharacters } from './plan-size.js'
import type { FrozenSecret } from './secret.js'
import type { Sha256, UsedScript } from './step/script-step.js'
import { type CompiledStep, hostStepOf, importsOf, undoesOf } from './step/step.js'
import { type CompiledVariable, compileVariables } from './variable.js'
import { freezeSettled, isGiven, replaceGiven, settleSecrets } from './secret-variable.js'
import type { Values } from './variable.schema.js'

/**
 * Version of the meaning of a compiled plan; the interpreter keeps every one that may still run.
 * 2: steps may have `retry` and `when`, and may be waits.
 * 3: there may be variables, steps may be SQL, and they may have `secrets`.
 * 4: there may be steps that take others back, which no run goes through by itself, and such that restart hosts; steps may have
 * targets of their own and imports, and be of nested plans; variables may be host lists.
 * An older worker would run a plan without what it does not know: it is given no such plan, and takes all others.
 */
export const IR_VERSION = 4

export interface CompiledPlan {
  irVersion: number
  name: string
  /** The job and its plan that it is of; left out where it came with the launch. */
  job?: PlanName
  /** With the values that the run begins with; left out where there are none. */
  variables?: CompiledVariable[]
  /** Secret variables that have a value, by their names; every script step that is of no nested plan has them among its own. */
  secrets?: Record<string, FrozenSecret>
  /** Those of the run in their order, then what takes them back, newest first. */
  steps: CompiledStep[]
  /** Visits of plans that are nested; left out where there are none. */
  nested?: NestedPlan[]
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
  nested: ReadonlyMap<string, NestablePlan>
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
  /** Values of secret variables that came with the launch: kept by nobody yet, and in the plan only by their names. */
  given: Map<string, string>
}

/**
 * @param input job: of which plan it is, if any; ofJob: or of which job, where it is checked for all of its plans
 * @throws PlatformError script_too_large, plan_invalid, plan_too_large, plan_circular, plan_too_deep, variable_unknown, variable_required
 */
export function compilePlan(
  input: PlanInput & { job?: PlanName; ofJob?: string },
  {
    sha256,
    used = new Map(),
    secrets = new Map(),
    dbAccounts = new Map(),
    nested: plans = new Map(),
    importing = new Map(),
  }: PlanSources,
  values: LaunchValues = {},
): Compilation {
  const scripts = new Map<string, string>()
  const isLaunch = values.launch !== undefined
  const { variables: named = [], name, job, ofJob = job?.job } = input
  const heard = [values.launch ?? {}, values.own ?? {}]
  const own = compileVariables(named, heard, isLaunch)
  const settled = settleSecrets(named, heard, isLaunch)
  const given = new Map([...settled].filter((entry): entry is [string, string] => isGiven(entry[1])))
  const shared = freezeSettled(settled, secrets)
  const sources = { sha256, used, secrets, dbAccounts, importing, texts: scripts }
  const { steps, nested, ...inner } = inlinePlans(
    input.steps,
    { job: ofJob, variables: own, shared, named },
    { nested: plans, sources, isLaunch },
  )
  const variables = [...own, ...inner.variables]
  const plan = {
    irVersion: neededVersion({ steps, variables, nested }),
    name,
    ...(job ? { job } : {}),
    ...(variables.length ? { variables } : {}),
    ...(Object.keys(shared).length ? { secrets: shared } : {}),
    steps,
    ...(nested.length ? { nested } : {}),
  }
  if (JSON.stringify(plan).length > PLAN_MAX_CHARACTERS) throw tooManyCharacters()
  return { plan, scripts, given }
}

/** The plan with what its launch has kept of the values that came with it. @param kept by names of variables */
export function withKept(plan: CompiledPlan, kept: ReadonlyMap<string, FrozenSecret>): CompiledPlan {
  if (!kept.size) return plan
  const replaced = <T extends { secrets?: Record<string, FrozenSecret> }>(of: T): T =>
    of.secrets ? { ...of, secrets: replaceGiven(of.secrets, kept) } : of
  return replaced({
    ...plan,
    steps: plan.steps.map((step) => (step.type === 'script' ? replaced(step) : step)),
    ...(plan.nested ? { nested: plan.nested.map(replaced) } : {}),
  })
}

/** The oldest version that knows all that a plan has. */
function neededVersion({ steps, variables, nested }: Inlined): number {
  const isOfFour = (step: CompiledStep) =>
    step.type === 'reboot' ||
    undoesOf(step) !== undefined ||
    hostStepOf(step)?.target !== undefined ||
    importsOf(step).length > 0
  if (nested.length || steps.some(isOfFour) || variables.some(({ type }) => type === 'hostList')) return 4
  const isOfThree = (step: CompiledStep) => step.type === 'sql' || hostStepOf(step)?.secrets !== undefined
  return variables.length || steps.some(isOfThree) ? 3 : 2
}
