/** Steps of every kind: a new kind is one line in each table here, or nothing compiles. */
import { checkCondition, ConditionFault } from '../condition.js'
import { PlatformError } from '../errors.js'
import type { StepInput } from '../plan.schema.js'
import { retryDelays } from '../retry.js'
import { type CompiledScriptStep, compileScriptStep, type ScriptSources } from './script-step.js'
import { type CompiledSqlStep, compileSqlStep } from './sql-step.js'
import { type CompiledWaitStep, compileWaitStep } from './wait-step.js'

/** Where a step stands that came with a nested plan. */
interface Place {
  /** The visit of the plan. */
  within?: number
  /** `2.0`: the first step of the plan that is the third; left out where it is the position. */
  path?: string
}

/** One step, compiled. Plans are none: their steps stand in their place. */
export type CompiledStep = (CompiledScriptStep | CompiledSqlStep | CompiledWaitStep) & Place
/** One that hosts carry out: it has a text, and whatever an order says of it. */
export type CompiledHostStep = (CompiledScriptStep | CompiledSqlStep) & Place
export const stepTypes = ['script', 'sql', 'wait'] as const satisfies readonly CompiledStep['type'][]
export type StepType = CompiledStep['type']

type Input<T extends StepType> = Extract<Exclude<StepInput, { type: 'plan' }>, { type: T }>
type Compiled<T extends StepType> = Extract<CompiledStep, { type: T }>

const compilers: {
  [T in StepType]: (step: Input<T>, where: string, sources: ScriptSources) => Compiled<T>
} = {
  script: compileScriptStep,
  sql: compileSqlStep,
  wait: compileWaitStep,
}

/**
 * @param inside names the plans that it is in, for messages
 * @throws PlatformError script_too_large, plan_invalid
 */
export function compileStep<T extends StepType>(
  steps: readonly StepInput[],
  index: number,
  sources: ScriptSources,
  inside = '',
): CompiledStep {
  const step = steps[index] as Input<T>
  const where = `${inside}step ${index + 1} "${step.name}"`
  checkWhen(step.when, { steps: steps.slice(0, index), variables: sources.variables }, where)
  return compilers[step.type as T](step, where, sources)
}

interface Named {
  name: string
}

/** Variables that each host has its own of have no value for all. @throws PlatformError plan_invalid */
export function checkWhen(
  when: string | undefined,
  known: { steps: readonly Named[]; variables: readonly (Named & { type: string })[] },
  where: string,
): void {
  if (when === undefined) return
  const names = (all: readonly Named[]) => all.map(({ name }) => name)
  const variables = known.variables.filter(({ type }) => type !== 'perHost')
  try {
    checkCondition(when, { steps: names(known.steps), variables: names(variables) })
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    throw new PlatformError('plan_invalid', `${where}: when: ${error.message}`)
  }
}

/** The script of the library that a step uses, as it says it. */
export const useOf = (step: StepInput): string | undefined =>
  step.type === 'wait' || step.type === 'plan' ? undefined : step.uses

/** The secrets that a step is to be given, as it says them. */
export const secretsOf = (step: StepInput): string[] =>
  step.type === 'script' ? Object.values(step.secrets ?? {}) : []

/** What an audit keeps of a step: which text, not the text. @param sha256 of a text */
export function auditOf(step: StepInput, sha256: (text: string) => string): string {
  if (step.type === 'wait') return step.type
  if (step.type === 'plan') return step.plan
  return step.uses ?? sha256((step.type === 'sql' ? step.sql : step.script) ?? '')
}

/** Whether the hosts of the run have a part in steps of a kind. */
export const hasHosts: { [T in StepType]: boolean } = { script: true, sql: true, wait: false }

/** The same step, if hosts carry it out. */
export function hostStepOf(step: CompiledStep | undefined): CompiledHostStep | undefined {
  return step && step.type !== 'wait' ? step : undefined
}

/** The database account that a step signs in with, by name. */
export const dbAccountOf = (step: StepInput): string | undefined =>
  step.type === 'sql' ? step.dbAccount : undefined

/** How long a host waits after each attempt for the next one that it gets by itself; empty: there is none. */
export function retryDelaysOf(step: CompiledStep): number[] {
  const retry = hostStepOf(step)?.retry
  return retry ? retryDelays(retry) : []
}
