/** Plans: compiling what a person wrote into the immutable list of steps that the workflow interprets. */
import { checkCondition, ConditionFault } from './condition.js'
import { PlatformError } from './errors.js'
import type { PlanName } from './job.js'
import type { PlanInput, ScriptStepInput } from './plan.schema.js'
import type { RetryPolicy } from './retry.js'
import { type Language, SCRIPT_MAX_BYTES } from './script.js'
import type { OnFailure } from './step-execution.js'
import { utf8Length } from './text.js'

/**
 * Version of the meaning of a compiled plan; the interpreter keeps every one that may still run.
 * 2: steps may have `retry` and `when`.
 */
export const IR_VERSION = 2

/** Largest compiled plan, in characters of JSON: Temporal warns at 512 KiB, and one workflow task must stay under 4 MiB. */
const PLAN_MAX_CHARACTERS = 200_000

/** One step, compiled. Texts are kept apart by hash, so that a plan stays small and no history holds them. */
export interface CompiledStep {
  type: 'script'
  name: string
  language: Language
  /** Where the text is from, if it is of the library. */
  source?: ScriptSource
  /** sha256 of the text's UTF-8, hex. */
  scriptSha256: string
  scriptBytes: number
  arguments: string[]
  environment: Record<string, string>
  workingDirectory: string
  account: string
  login: boolean
  timeoutMs: number
  graceMs: number
  onFailure: OnFailure
  concurrency: number | string | undefined
  retry?: RetryPolicy | undefined
  when?: string | undefined
}

/** A version of a script of the library. */
export interface ScriptSource {
  script: string
  version: number
}

/** What a step's `uses` means at the launch. */
export interface UsedScript extends ScriptSource {
  language: Language
  /** Hex, of its text, which is kept already. */
  sha256: string
  bytes: number
}

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

/** Hashing is the caller's: this part is pure. Returns lower-case hex. */
type Sha256 = (text: string) => string

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
  const steps = input.steps.map((step, index) => {
    checkStep(step, index)
    checkWhen(input.steps, index)
    const text = step.script === undefined ? usedText(step, used) : inlineText(step, index, sha256)
    if (step.script !== undefined) scripts.set(text.scriptSha256, step.script)
    const { script: _text, uses: _uses, ...rest } = step
    return { ...rest, ...text, concurrency: step.concurrency }
  })
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

type StepText = Pick<CompiledStep, 'language' | 'source' | 'scriptSha256' | 'scriptBytes'>

function inlineText(step: ScriptStepInput, index: number, sha256: Sha256): StepText {
  const script = step.script ?? ''
  const scriptBytes = utf8Length(script)
  if (scriptBytes > SCRIPT_MAX_BYTES) {
    throw new PlatformError(
      'script_too_large',
      `step ${index + 1} "${step.name}": the script has ${scriptBytes} bytes, at most ${SCRIPT_MAX_BYTES} are taken; put the bulk into a file and let the script read it`,
    )
  }
  return { language: step.language ?? 'bash', scriptSha256: sha256(script), scriptBytes }
}

function usedText(step: ScriptStepInput, used: ReadonlyMap<string, UsedScript>): StepText {
  const found = used.get(step.uses ?? '')
  if (!found) throw new Error(`step "${step.name}" uses ${step.uses}, which was not looked up`)
  const { script, version, language, sha256, bytes } = found
  return { language, source: { script, version }, scriptSha256: sha256, scriptBytes: bytes }
}

// The agent refuses these too; said here, the run is refused before any host is asked.
const refusedVariables = /^(LD_.*|BASH_ENV|ENV|IFS|BASH_FUNC_.*|DROVER_.*)$/

function checkStep(step: ScriptStepInput, index: number): void {
  const where = `step ${index + 1} "${step.name}"`
  for (const name of Object.keys(step.environment)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw new PlatformError(
        'plan_invalid',
        `${where}: "${name.slice(0, 60)}" is not a name for an environment variable`,
      )
    }
    if (refusedVariables.test(name)) {
      throw new PlatformError(
        'plan_invalid',
        `${where}: the variable ${name} is refused, for it changes how the interpreter itself runs`,
      )
    }
  }
  if (step.workingDirectory && !/^(\/|[A-Za-z]:\\)/.test(step.workingDirectory)) {
    throw new PlatformError('plan_invalid', `${where}: the working directory must be an absolute path`)
  }
  if (step.account && !/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(step.account)) {
    throw new PlatformError('plan_invalid', `${where}: "${step.account}" is not a name for an account`)
  }
}

function checkWhen(steps: readonly ScriptStepInput[], index: number): void {
  const step = steps[index]
  if (step?.when === undefined) return
  try {
    checkCondition(
      step.when,
      steps.slice(0, index).map((earlier) => earlier.name),
    )
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    throw new PlatformError('plan_invalid', `step ${index + 1} "${step.name}": when: ${error.message}`)
  }
}

/** How many of `hosts` run at once: `undefined` is all of them, `25%` at least one. */
export function concurrencyLimit(concurrency: number | string | undefined, hosts: number): number {
  if (concurrency === undefined) return hosts
  if (typeof concurrency === 'number') return Math.min(concurrency, hosts)
  return Math.max(1, Math.floor((hosts * Number.parseInt(concurrency, 10)) / 100))
}
