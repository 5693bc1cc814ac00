/** Steps of every kind: a new kind is one line in each table here, or nothing compiles. */
import { checkCondition, ConditionFault } from '../condition.js'
import { PlatformError } from '../errors.js'
import type { StepInput } from '../plan.schema.js'
import { retryDelays } from '../retry.js'
import { type CompiledScriptStep, compileScriptStep, type ScriptSources } from './script-step.js'
import { type CompiledWaitStep, compileWaitStep } from './wait-step.js'

/** One step, compiled. */
export type CompiledStep = CompiledScriptStep | CompiledWaitStep
export const stepTypes = ['script', 'wait'] as const satisfies readonly CompiledStep['type'][]
export type StepType = CompiledStep['type']

type Input<T extends StepType> = Extract<StepInput, { type: T }>
type Compiled<T extends StepType> = Extract<CompiledStep, { type: T }>

const compilers: {
  [T in StepType]: (step: Input<T>, where: string, sources: ScriptSources) => Compiled<T>
} = {
  script: compileScriptStep,
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
    steps.slice(0, index).map((earlier) => earlier.name),
    where,
  )
  return compilers[step.type as T](step, where, sources)
}

function checkWhen(when: string | undefined, earlier: readonly string[], where: string): void {
  if (when === undefined) return
  try {
    checkCondition(when, earlier)
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    throw new PlatformError('plan_invalid', `${where}: when: ${error.message}`)
  }
}

/** The script of the library that a step uses, as it says it. */
export const useOf = (step: StepInput): string | undefined => (step.type === 'script' ? step.uses : undefined)

/** What an audit keeps of a step: which text, not the text. @param sha256 of a text */
export function auditOf(step: StepInput, sha256: (text: string) => string): string {
  return step.type === 'script' ? (step.uses ?? sha256(step.script ?? '')) : step.type
}

/** Whether the hosts of the run have a part in steps of a kind. */
export const hasHosts: { [T in StepType]: boolean } = { script: true, wait: false }

/** How long a host waits after each attempt for the next one that it gets by itself; empty: there is none. */
export function retryDelaysOf(step: CompiledStep): number[] {
  return step.type === 'script' && step.retry ? retryDelays(step.retry) : []
}
