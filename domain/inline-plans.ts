/** Compiling steps into the flat list of a run: those that are plans are replaced by the steps of these plans. */
import { PlatformError } from './errors.js'
import type { JobSteps } from './job.schema.js'
import { type NestedPlan, NESTING_MAX_DEPTH, RUN_MAX_STEPS } from './nested-plan.js'
import { parsePlanUse } from './plan-use.js'
import type { PlanInput, StepInput } from './plan.schema.js'
import { PLAN_MAX_CHARACTERS, tooManyCharacters, tooManySteps } from './plan-size.js'
import { capLimit } from './script.js'
import type { PlanStepInput } from './step/plan-step.schema.js'
import type { FrozenSecret } from './secret.js'
import { isSecret } from './secret-variable.js'
import type { ScriptSources } from './step/script-step.js'
import { checkWhen, type CompiledHostStep, type CompiledStep, compileStep, compileUndo } from './step/step.js'
import { type CompiledVariable, compileVariables, isEmpty } from './variable.js'
import type { Values, VariableInput } from './variable.schema.js'
import { secretsForVisit } from './visit-secrets.js'

/** What a plan was at a revision: the steps that it chose, its job's variables, and its own values. */
export interface NestablePlan {
  steps: JobSteps
  variables: VariableInput[]
  values: Values
}

export interface Inlining {
  /** Plans that steps name, at any depth, by how they name them. */
  nested: ReadonlyMap<string, NestablePlan>
  sources: Omit<ScriptSources, keyof Names>
  /** Whether the values of a launch are there: else what follows them may be empty still. */
  isLaunch: boolean
}

export interface Inlined {
  /** Those of the run, then what takes them back, newest first. */
  steps: CompiledStep[]
  /** Of nested plans. */
  variables: CompiledVariable[]
  nested: NestedPlan[]
}

/** The variables that steps have in common. */
interface Names {
  /** Without secrets. */
  variables: readonly CompiledVariable[]
  /** Secrets that have a value. */
  shared: Readonly<Record<string, FrozenSecret>>
  /** All of them, as they are defined. */
  named: readonly VariableInput[]
}

/** Steps that have names in common: those of the run, or of one visit of a plan. */
interface Level extends Names {
  steps: PlanInput['steps']
  within?: number
  /** Of names, of paths and of messages. */
  prefix: { name: string; path: string; where: string }
  /** Jobs of the plans around it, outermost first. */
  jobs: readonly string[]
  depth: number
  limitMs: number | undefined
}

/**
 * @param root of the run: its variables, and the job that the steps are of, if any
 * @throws PlatformError as compileStep, and plan_circular, plan_too_deep, plan_too_large, variable_unknown, variable_required
 */
export function inlinePlans(
  steps: PlanInput['steps'],
  { job, ...names }: Names & { job: string | undefined },
  inlining: Inlining,
): Inlined {
  const out: Growing = { steps: [], undos: [], variables: [], nested: [], characters: 0 }
  const prefix = { name: '', path: '', where: '' }
  const jobs = job === undefined ? [] : [job]
  addLevel(out, { steps, ...names, prefix, jobs, depth: 0, limitMs: undefined }, inlining)
  const { undos, characters: _sum, ...inlined } = out
  undos.sort((a, b) => (b.undoes ?? 0) - (a.undoes ?? 0))
  return { ...inlined, steps: [...inlined.steps, ...undos] }
}

interface Growing extends Inlined {
  undos: CompiledHostStep[]
  /** Of the variables, in JSON: each visit has its own copy, so that they are refused before all of them are there. */
  characters: number
}

function addLevel(out: Growing, level: Level, inlining: Inlining): void {
  const { within, prefix, variables, shared, named } = level
  const sources = { ...inlining.sources, variables, shared, named }
  const places: (number | undefined)[] = []
  const at = { inside: prefix.where, places }
  const place = within === undefined ? {} : { within }
  for (const [index, step] of level.steps.entries()) {
    if (step.type === 'plan') {
      places.push(undefined)
      addPlan(out, level, index, inlining)
      continue
    }
    const compiled = limited(compileStep(level.steps, index, sources, at), level.limitMs)
    places.push(out.steps.length)
    const path = `${prefix.path}${index}`
    const isMoved = path !== String(out.steps.length)
    out.steps.push({
      ...compiled,
      name: `${prefix.name}${step.name}`,
      ...place,
      ...(isMoved ? { path } : {}),
    })
    if (out.steps.length > RUN_MAX_STEPS) throw tooManySteps()
  }
  for (const undo of compileUndo(level.steps, sources, at))
    out.undos.push({ ...undo, name: `${prefix.name}${undo.name}`, ...place })
}

function addPlan(out: Growing, level: Level, index: number, inlining: Inlining): void {
  const step = level.steps[index] as PlanStepInput
  const where = `${level.prefix.where}step ${index + 1} "${step.name}"`
  checkWhen(step.when, { steps: level.steps.slice(0, index), variables: level.variables }, where)
  const jobs = enter(step, level, where)
  const plan = inlining.nested.get(step.plan)
  if (!plan) throw new Error(`${where} names plan ${step.plan}, which was not looked up`)
  const own = out.nested.length
  const found = inlining.sources.secrets
  const { variables, shared } = variablesFor(step, plan, { level, where, found, isLaunch: inlining.isLaunch })
  const { when, onFailure, stepTimeoutMs, follows, handsBack } = step
  const visit: NestedPlan = {
    name: `${level.prefix.name}${step.name}`,
    plan: step.plan,
    ...(level.within === undefined ? {} : { within: level.within }),
    first: out.steps.length,
    end: out.steps.length,
    onFailure,
    ...(when === undefined ? {} : { when }),
    ...(stepTimeoutMs === undefined ? {} : { stepTimeoutMs }),
    ...(follows ? { follows } : {}),
    ...(handsBack ? { handsBack } : {}),
    ...(Object.keys(shared).length ? { secrets: shared } : {}),
  }
  out.nested.push(visit)
  const inner = variables.map((variable) => ({ ...variable, within: own }))
  out.variables.push(...inner)
  out.characters += JSON.stringify(inner).length
  if (out.characters > PLAN_MAX_CHARACTERS) throw tooManyCharacters()
  const prefix = {
    name: `${visit.name}/`,
    path: `${level.prefix.path}${index}.`,
    where: `${where}, ${step.plan}: `,
  }
  const limitMs = stepTimeoutMs === undefined ? level.limitMs : capLimit(stepTimeoutMs, level.limitMs)
  addLevel(
    out,
    {
      steps: plan.steps,
      variables: inner,
      shared,
      named: plan.variables,
      within: own,
      prefix,
      jobs,
      depth: level.depth + 1,
      limitMs,
    },
    inlining,
  )
  visit.end = out.steps.length
}

/** @returns the jobs around the steps of the plan */
function enter({ plan }: PlanStepInput, { jobs: around, depth }: Level, where: string): string[] {
  const job = parsePlanUse(plan)?.job ?? plan
  if (around.includes(job)) {
    const circle = [...around.slice(around.indexOf(job)), job].join(' → ')
    throw new PlatformError(
      'plan_circular',
      `${where}: a job may nest no plan of itself, at no revision and through no other: ${circle}`,
    )
  }
  if (depth >= NESTING_MAX_DEPTH) throw tooDeep(where)
  return [...around, job]
}

export function tooDeep(where: string): PlatformError {
  return new PlatformError(
    'plan_too_deep',
    `${where}: plans may be nested ${NESTING_MAX_DEPTH} deep: put the steps of the inner ones into one`,
  )
}

interface Around {
  level: Level
  where: string
  found: ScriptSources['secrets']
  isLaunch: boolean
}

/** The variables of a visit: what its step gives them, else what they follow, else what the plan and its job say. */
function variablesFor(step: PlanStepInput, plan: NestablePlan, around: Around): Omit<Names, 'named'> {
  const { level, where, found } = around
  const { values = {}, follows = {}, handsBack = {} } = step
  const pairs = [...Object.entries(follows), ...Object.entries(handsBack)]
  for (const name of [...Object.keys(values), ...pairs.map(([own]) => own)])
    mustHave(plan.variables, name, `${where}: ${step.plan}`)
  checkTypes(plan.variables, level.named, { pairs, where })
  checkHandsBack(plan.variables, level.named, { handsBack, where })
  const followed: Values = {}
  for (const [own, name] of Object.entries(follows)) {
    if (Object.hasOwn(values, own))
      throw new PlatformError(
        'plan_invalid',
        `${where}: ${own} is given a value and follows ${name}: it can do one`,
      )
    const outer = level.variables.find((variable) => variable.name === name)
    if (outer) followed[own] = outer.value
  }
  const shared = secretsForVisit(step, plan, { where, shared: level.shared, found })
  checkRequired(step, plan, { ...around, followed, shared })
  return { variables: compileVariables(plan.variables, [followed, values, plan.values], false), shared }
}

/** @throws PlatformError variable_required */
function checkRequired(
  { plan: use, values = {}, follows = {} }: PlanStepInput,
  plan: NestablePlan,
  { level, where, isLaunch, followed, shared }: Around & { followed: Values; shared: Names['shared'] },
): void {
  for (const variable of plan.variables.filter(({ required }) => required)) {
    const { name, value } = variable
    const given = [followed, values, plan.values].find((all) => Object.hasOwn(all, name))?.[name]
    const outer = level.named.find((one) => Object.hasOwn(follows, name) && one.name === follows[name])
    // What is followed may get its value from the launch, or from a step before.
    const isOpen = outer !== undefined && (!isLaunch || isSet(outer))
    if (!isOpen && (isSecret(variable) ? !Object.hasOwn(shared, name) : isEmpty(given ?? value ?? '')))
      throw new PlatformError(
        'variable_required',
        `${where}: ${name} of ${use} needs a value: give it one under values, or let it follow a variable`,
      )
  }
}

function mustHave<V extends { name: string }>(variables: readonly V[], name: string, where: string): V {
  const found = variables.find((variable) => variable.name === name)
  if (found) return found
  const there = variables.length
    ? `there are ${variables.map((one) => one.name).join(', ')}`
    : 'there are none'
  throw new PlatformError('variable_unknown', `${where}: there is no variable "${name}"; ${there}`)
}

interface Mapping {
  where: string
}

function checkTypes(
  own: readonly VariableInput[],
  outer: readonly VariableInput[],
  { pairs, where }: Mapping & { pairs: [string, string][] },
): void {
  for (const [name, outside] of pairs) {
    const inner = mustHave(own, name, where)
    const { type } = mustHave(outer, outside, where)
    if (inner.type !== type)
      throw new PlatformError(
        'plan_invalid',
        `${where}: ${name} is a ${inner.type} and ${outside} a ${type}: they must be of one type`,
      )
  }
}

/** Whether scripts may set it. */
const isSet = ({ changeable, type }: VariableInput) => changeable || type === 'perHost'

function checkHandsBack(
  own: readonly VariableInput[],
  outer: readonly VariableInput[],
  { handsBack, where }: Mapping & { handsBack: Record<string, string> },
): void {
  const taken = new Set<string>()
  for (const [name, outside] of Object.entries(handsBack)) {
    const inner = mustHave(own, name, where)
    const kept = [
      { name, can: isSet(inner) },
      { name: outside, can: isSet(mustHave(outer, outside, where)) },
    ].find(({ can }) => !can)
    const why = kept
      ? `${kept.name} is not changeable: nothing can be handed back`
      : taken.has(outside)
        ? `${outside} would be handed several variables: it can hold one`
        : undefined
    if (why) throw new PlatformError('plan_invalid', `${where}: ${why}`)
    taken.add(outside)
  }
}

/** The same step with no more time for its hosts than the plans around it give. */
function limited(step: CompiledStep, limitMs: number | undefined): CompiledStep {
  if (limitMs === undefined || step.type === 'wait') return step
  const { timeoutMs } = step
  if (typeof timeoutMs === 'number') return { ...step, timeoutMs: capLimit(timeoutMs, limitMs) }
  return step.type === 'reboot' ? step : { ...step, timeoutMaxMs: limitMs }
}

/** Plans that steps name, as they name them. */
export const nestedUses = (steps: readonly StepInput[]): string[] =>
  steps.flatMap((step) => (step.type === 'plan' ? step.plan : []))
