/** Steps of every kind: a new kind is one line in each table here, or nothing compiles. */
import { checkCondition, ConditionFault } from '../condition.js'
import { PlatformError } from '../errors.js'
import type { StepInput } from '../plan.schema.js'
import { retryDelays } from '../retry.js'
import { compileImports, type Import, importedNames } from './import.js'
import { type CompiledScriptStep, compileScriptStep, type ScriptSources } from './script-step.js'
import { type Earlier, compileTarget, lastWithHosts } from './step-target.js'
import type { Take } from './take.js'
import { type CompiledSqlStep, compileSqlStep } from './sql-step.js'
import { hasOneValue } from '../variable.js'
import { type CompiledWaitStep, compileWaitStep } from './wait-step.js'

/** One step, compiled. */
export type CompiledStep = CompiledScriptStep | CompiledSqlStep | CompiledWaitStep
/** One that hosts carry out: it has a text, and whatever an order says of it. */
export type CompiledHostStep = CompiledScriptStep | CompiledSqlStep
export const stepTypes = ['script', 'sql', 'wait'] as const satisfies readonly CompiledStep['type'][]
export type StepType = CompiledStep['type']

type Input<T extends StepType> = Extract<StepInput, { type: T }>
type Compiled<T extends StepType> = Extract<CompiledStep, { type: T }>

const compilers: {
  [T in StepType]: (step: Input<T>, where: string, sources: ScriptSources) => Compiled<T>
} = {
  script: compileScriptStep,
  sql: compileSqlStep,
  wait: compileWaitStep,
}

/** @throws PlatformError script_too_large, plan_invalid */
export function compileStep<T extends StepType>(
  steps: readonly StepInput[],
  index: number,
  sources: ScriptSources,
): CompiledStep {
  const step = steps[index] as Input<T>
  const where = `step ${index + 1} "${step.name}"`
  checkWhen(
    step.when,
    { steps: steps.slice(0, index), variables: sources.variables.filter(hasOneValue) },
    where,
  )
  const earlier = steps.slice(0, index).map(({ name, type }) => ({ name, hasHosts: hasHosts[type] }))
  const known = { variables: sources.variables, earlier, where }
  const takes = takesOf(step, known)
  const compiled: CompiledStep = compilers[step.type as T](step, where, sources)
  const imports = importsFor(compiled, sources, known)
  return { ...compiled, ...(takes ? { takes } : {}), ...(imports.length ? { imports } : {}) }
}

interface Known {
  variables: ScriptSources['variables']
  earlier: Earlier
  where: string
}

/** What it takes of earlier steps. @throws PlatformError plan_invalid */
function takesOf(step: StepInput, known: Known): Take[] | undefined {
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
function importsFor(step: CompiledStep, { texts, importing }: ScriptSources, known: Known): Import[] {
  if (step.type !== 'script') return []
  const text = texts.get(step.scriptSha256) ?? importing.get(step.scriptSha256) ?? ''
  const { variables, earlier, where } = known
  return compileImports(importedNames(text), { variables, last: lastWithHosts(earlier) }, where)
}

interface Named {
  name: string
}

function checkWhen(
  when: string | undefined,
  known: { steps: readonly Named[]; variables: readonly Named[] },
  where: string,
): void {
  if (when === undefined) return
  const names = (all: readonly Named[]) => all.map(({ name }) => name)
  try {
    checkCondition(when, { steps: names(known.steps), variables: names(known.variables) })
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    throw new PlatformError('plan_invalid', `${where}: when: ${error.message}`)
  }
}

/** The script of the library that a step uses, as it says it. */
export const useOf = (step: StepInput): string | undefined => (step.type === 'wait' ? undefined : step.uses)

/** The target of its own that a step has, as it says it. */
export const targetOf = (step: StepInput): string | undefined =>
  step.type === 'wait' ? undefined : step.target

/** The secrets that a step is to be given, as it says them. */
export const secretsOf = (step: StepInput): string[] =>
  step.type === 'script' ? Object.values(step.secrets ?? {}) : []

/** What an audit keeps of a step: which text, not the text. @param sha256 of a text */
export function auditOf(step: StepInput, sha256: (text: string) => string): string {
  if (step.type === 'wait') return step.type
  return step.uses ?? sha256((step.type === 'sql' ? step.sql : step.script) ?? '')
}

/** What the script of a step asks for. */
export const importsOf = (step: CompiledStep): readonly Import[] =>
  step.type === 'script' ? (step.imports ?? []) : []

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
