/** Script steps: a text that runs on every host of the run. */
import { PlatformError } from '../errors.js'
import type { RetryPolicy } from '../retry.js'
import { type Language, SCRIPT_MAX_BYTES } from '../script.js'
import type { OnFailure } from '../step-execution.js'
import { utf8Length } from '../text.js'
import type { ScriptStepInput } from './script-step.schema.js'

/** Texts are kept apart by hash, so that a plan stays small and no history holds them. */
export interface CompiledScriptStep {
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

/** Hashing is the caller's: this part is pure. Returns lower-case hex. */
export type Sha256 = (text: string) => string

export interface ScriptSources {
  sha256: Sha256
  /** What is found in the library, by what the steps' `uses` say. */
  used: ReadonlyMap<string, UsedScript>
  /** Takes in the texts of the steps, by their hashes. */
  texts: Map<string, string>
}

/**
 * @param where names the step in messages
 * @throws PlatformError script_too_large, plan_invalid
 */
export function compileScriptStep(
  step: ScriptStepInput,
  where: string,
  { sha256, used, texts }: ScriptSources,
): CompiledScriptStep {
  checkFields(step, where)
  const text = step.script === undefined ? usedText(step, used) : inlineText(step, where, sha256)
  if (step.script !== undefined) texts.set(text.scriptSha256, step.script)
  const { script: _text, uses: _uses, ...rest } = step
  return { ...rest, ...text, concurrency: step.concurrency }
}

type StepText = Pick<CompiledScriptStep, 'language' | 'source' | 'scriptSha256' | 'scriptBytes'>

function inlineText(step: ScriptStepInput, where: string, sha256: Sha256): StepText {
  const script = step.script ?? ''
  const scriptBytes = utf8Length(script)
  if (scriptBytes > SCRIPT_MAX_BYTES) {
    throw new PlatformError(
      'script_too_large',
      `${where}: the script has ${scriptBytes} bytes, at most ${SCRIPT_MAX_BYTES} are taken; put the bulk into a file and let the script read it`,
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

function checkFields(step: ScriptStepInput, where: string): void {
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

/** How many of `hosts` run at once: `undefined` is all of them, `25%` at least one. */
export function concurrencyLimit(concurrency: number | string | undefined, hosts: number): number {
  if (concurrency === undefined) return hosts
  if (typeof concurrency === 'number') return Math.min(concurrency, hosts)
  return Math.max(1, Math.floor((hosts * Number.parseInt(concurrency, 10)) / 100))
}
