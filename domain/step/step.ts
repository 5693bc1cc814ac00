/** Steps of every kind: a new kind is one line in each table here, or nothing compiles. */
import { checkCondition, ConditionFault } from '../condition.js'
import { PlatformError } from '../errors.js'
import type { StepInput } from '../plan.schema.js'
import { retryDelays } from '../retry.js'
import { compileImports, type Import, importedNames } from './import.js'
import { type CompiledRebootStep, compileRebootStep } from './reboot-step.js'
import { type CompiledScriptStep, compileScriptStep, type ScriptSources } from './script-step.js'
import { type Earlier, compileTarget, lastWithHosts, planBefore } from './step-target.js'
import type { Take } from './take.js'
import { type CompiledSqlStep, compileSqlStep } from './sql-step.js'
import type { UndoInput } from './undo.schema.js'
import { undoStepOf } from './undo-step.js'
import { hasOneValue, type VariableType } from '../variable.js'
import { type CompiledWaitStep, compileWaitStep } from './wait-step.js'

/** Where a step stands that came with a nested plan. */
interface Place {
  /** The visit of the plan. */
  within?: number
  /** `2.0`: the first step of the plan that is the third; left out where it is the position. */
  path?: string
}

/** One step, compiled. Plans are none: their steps stand in their place. */
export type CompiledStep = CompiledHostStep | (CompiledWaitStep & Place)
/** One that hosts carry out: it has a text, and whatever an order says of it. */
export type CompiledHostStep = (CompiledScriptStep | CompiledSqlStep | CompiledRebootStep) & Place
export const stepTypes = [
  'script',
  'sql',
  'wait',
  'reboot',
] as const satisfies readonly CompiledStep['type'][]
export type StepType = CompiledStep['type']

/** Those that are compiled: the steps of a plan are, and not the step that brings it. */
type Parts = Exclude<StepInput, { type: 'plan' }>
type Input<T extends StepType> = Extract<Parts, { type: T }>
type Compiled<T extends StepType> = Extract<CompiledStep, { type: T }>

const compilers: {
  [T in StepType]: (step: Input<T>, where: string, sources: ScriptSources) => Compiled<T>
} = {
  script: compileScriptStep,
  sql: compileSqlStep,
  wait: compileWaitStep,
  reboot: compileRebootStep,
}

/** Where steps stand that know each other. */
export interface Around {
  /** Names the plans that they are in, for messages. */
  inside: string
  /** Of each of them, its position in the run; undefined of one that brings a plan. */
  places: readonly (number | undefined)[]
}

/**
 * @param at places are known of those before it
 * @throws PlatformError script_too_large, plan_invalid
 */
export function compileStep<T extends StepType>(
  steps: readonly StepInput[],
  index: number,
  sources: ScriptSources,
  at: Around,
): CompiledStep {
  const step = steps[index] as Input<T>
  const where = `${at.inside}step ${index + 1} "${step.name}"`
  const { variables } = sources
  checkWhen(step.when, { steps: steps.slice(0, index), variables }, where)
  const earlier = steps.slice(0, index).map(earlierOf)
  const known = { variables, earlier, where }
  const takes = takesOf(step, known)?.map((take) => placed(take, at))
  const compiled: CompiledStep = compilers[step.type as T](withoutUndo(step), where, sources)
  const imports = importsFor(compiled, sources, known).map((one) =>
    one.take ? { ...one, take: placed(one.take, at) } : one,
  )
  return { ...compiled, ...(takes ? { takes } : {}), ...(imports.length ? { imports } : {}) }
}

const earlierOf = ({ name, type }: StepInput) => ({
  name,
  hasHosts: type !== 'plan' && hasHosts[type],
  isPlan: type === 'plan',
})

/** A step is named among those beside it, and taken by its place in the run. */
const placed = (take: Take, { places }: Around): Take => ({ ...take, step: mustPlace(places, take.step) })

function mustPlace(places: Around['places'], index: number): number {
  const place = places[index]
  if (place === undefined) throw new Error(`step ${index + 1} has no place in the run`)
  return place
}

function withoutUndo<S extends StepInput>(step: S): S {
  const { undo: _undo, ...rest } = step as S & { undo?: unknown }
  return rest as S
}

/** What takes steps back, newest first, as it stands after all of a run in a plan. @throws PlatformError as compileStep */
export function compileUndo(
  steps: readonly StepInput[],
  sources: ScriptSources,
  at: Around,
): CompiledHostStep[] {
  return steps
    .flatMap((step, index): CompiledHostStep[] => {
      const undo = undoStepOf(step)
      if (!undo) return []
      const where = `${at.inside}the undo of step ${index + 1} "${step.name}"`
      const compiled =
        undo.type === 'sql' ? compileSqlStep(undo, where, sources) : compileScriptStep(undo, where, sources)
      checkNoImports(compiled, sources, where)
      return [{ ...compiled, undoes: mustPlace(at.places, index) }]
    })
    .reverse()
}

/** An undo goes to the hosts on which its step took effect, and may begin long after the run: there is no step before it. */
function checkNoImports(step: CompiledStep, sources: ScriptSources, where: string): void {
  const [name] = step.type === 'script' ? importedNames(compiledText(step, sources)) : []
  if (name !== undefined)
    throw new PlatformError('plan_invalid', `${where}: its script imports ${name}: an undo is given no hosts`)
}

const compiledText = ({ scriptSha256 }: CompiledScriptStep, { texts, importing }: ScriptSources): string =>
  texts.get(scriptSha256) ?? importing.get(scriptSha256) ?? ''

interface Known {
  variables: ScriptSources['variables']
  earlier: Earlier
  where: string
}

/** What it takes of earlier steps. @throws PlatformError plan_invalid */
function takesOf(step: Parts, known: Known): Take[] | undefined {
  const target = targetOf(step)
  const takes = target === undefined ? undefined : compileTarget(target, known)
  if (step.type !== 'wait' && step.onEmpty !== undefined && !takes)
    throw new PlatformError(
      'plan_invalid',
      `${known.where}: onEmpty is for a target of hosts of earlier steps, as step:deploy:failed`,
    )
  return takes
}

/** What its script asks for. @throws PlatformError plan_invalid */
function importsFor(step: CompiledStep, sources: ScriptSources, known: Known): Import[] {
  if (step.type !== 'script') return []
  const { variables, earlier, where } = known
  return compileImports(
    importedNames(compiledText(step, sources)),
    { variables, last: lastWithHosts(earlier), plan: planBefore(earlier) },
    where,
  )
}

interface Named {
  name: string
}

/** @throws PlatformError plan_invalid */
export function checkWhen(
  when: string | undefined,
  known: { steps: readonly Named[]; variables: readonly (Named & { type: VariableType })[] },
  where: string,
): void {
  if (when === undefined) return
  const names = (all: readonly Named[]) => all.map(({ name }) => name)
  const variables = known.variables.filter(hasOneValue)
  try {
    checkCondition(when, { steps: names(known.steps), variables: names(variables) })
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    throw new PlatformError('plan_invalid', `${where}: when: ${error.message}`)
  }
}

/** Steps that have a text of their own. */
export type TextStep = Extract<StepInput, { type: 'script' | 'sql' }>

export const hasText = (step: StepInput): step is TextStep => step.type === 'script' || step.type === 'sql'

/** What of a step hosts carry out: itself, and what takes it back. */
function partsOf(step: StepInput): (TextStep | UndoInput)[] {
  if (!hasText(step)) return []
  return step.undo ? [step, step.undo] : [step]
}

/** The scripts of the library that a step uses, as it says them. */
export const usesOf = (step: StepInput): string[] => partsOf(step).flatMap(({ uses }) => uses ?? [])

/** The target of its own that a step has, as it says it. */
export const targetOf = (step: StepInput): string | undefined =>
  step.type === 'wait' || step.type === 'plan' ? undefined : step.target

/** The secrets that a step is to be given, as it says them. */
export const secretsOf = (step: StepInput): string[] =>
  partsOf(step).flatMap((part) => (part.type === 'script' ? Object.values(part.secrets ?? {}) : []))

/** What an audit keeps of a step: which texts, not the texts. @param sha256 of a text */
export function auditOf(step: StepInput, sha256: (text: string) => string): string[] {
  if (step.type === 'plan') return [step.plan]
  if (!hasText(step)) return [step.type]
  return partsOf(step).map(
    (part) => part.uses ?? sha256((part.type === 'sql' ? part.sql : part.script) ?? ''),
  )
}

/** What the script of a step asks for. */
export const importsOf = (step: CompiledStep): readonly Import[] =>
  step.type === 'script' ? (step.imports ?? []) : []

/** Whether the hosts of the run have a part in steps of a kind. */
export const hasHosts: { [T in StepType]: boolean } = { script: true, sql: true, wait: false, reboot: true }

/** Whether a step gets its hosts at the launch or while the run goes through it; what takes a step back gets them later. */
export const isGoneThrough = (step: CompiledStep): boolean =>
  hasHosts[step.type] && undoesOf(step) === undefined

/** The same step, if hosts carry it out. */
export function hostStepOf(step: CompiledStep | undefined): CompiledHostStep | undefined {
  return step && step.type !== 'wait' ? step : undefined
}

/** The database accounts that a step signs in with, by name. */
export const dbAccountsOf = (step: StepInput): string[] =>
  partsOf(step).flatMap((part) => (part.type === 'sql' ? part.dbAccount : []))

/** Position of the step that a compiled one takes back; undefined of those that a run goes through by itself. */
export const undoesOf = (step: CompiledStep): number | undefined => hostStepOf(step)?.undoes

/**
 * The values of variables that a step is given are those that the steps before this position came to: before itself, or, where
 * it takes another one back, what held when that one had ended.
 */
export const seesBefore = (step: CompiledHostStep, position: number): number =>
  step.undoes === undefined ? position : step.undoes + 1

/** How long a host of a step may be away before nobody waits for it any more; undefined: as long as anywhere. */
export const awayMsOf = (step: CompiledStep): number | undefined =>
  step.type === 'reboot' ? step.timeoutMs : undefined

/** How long a host waits after each attempt for the next one that it gets by itself; empty: there is none. */
export function retryDelaysOf(step: CompiledStep): number[] {
  const retry = hostStepOf(step)?.retry
  return retry ? retryDelays(retry) : []
}
