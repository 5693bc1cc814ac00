/** Script steps: a text that runs on every host of the run. */
import type { DbAccount } from '../db-account.js'
import { PlatformError } from '../errors.js'
import type { RetryPolicy } from '../retry.js'
import { type Language, SCRIPT_MAX_BYTES } from '../script.js'
import { type FrozenSecret, STEP_SECRETS_MAX } from '../secret.js'
import type { OnFailure } from '../step-execution.js'
import { utf8Length } from '../text.js'
import { type CompiledVariable, checkReferences, type NamedVariable, referencesOf } from '../variable.js'
import type { Import } from './import.js'
import type { ScriptStepInput } from './script-step.schema.js'
import type { Targeted } from './take.js'

/** Texts are kept apart by hash, so that a plan stays small and no history holds them. */
export interface CompiledScriptStep extends Targeted {
  type: 'script'
  name: string
  /** What its script asks for. */
  imports?: Import[]
  language: Language
  /** Where the text is from, if it is of the library. */
  source?: ScriptSource
  /** sha256 of the text's UTF-8, hex. */
  scriptSha256: string
  scriptBytes: number
  arguments: string[]
  environment: Record<string, string>
  /** By the names under which the script gets them; left out where there are none. */
  secrets?: Record<string, FrozenSecret>
  workingDirectory: string
  account: string
  login: boolean
  /** Or a variable that holds it: `${LIMIT}`. */
  timeoutMs: number | string
  /** The most that such a variable may say, where a nested plan has a limit. */
  timeoutMaxMs?: number
  graceMs: number
  onFailure: OnFailure
  concurrency: number | string | undefined
  retry?: RetryPolicy | undefined
  onUncaptured?: 'fail' | 'keep' | undefined
  when?: string | undefined
  /** Position of the step that it takes back; left out of the steps that a run goes through by itself. */
  undoes?: number
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

/** Steps whose text runs on hosts all have one, of the library or their own. */
export type StepText = Pick<CompiledScriptStep, 'language' | 'source' | 'scriptSha256' | 'scriptBytes'>

/** Hashing is the caller's: this part is pure. Returns lower-case hex. */
export type Sha256 = (text: string) => string

export interface ScriptSources {
  sha256: Sha256
  /** What is found in the library, by what the steps' `uses` say. */
  used: ReadonlyMap<string, UsedScript>
  /** Database accounts that the steps name, by name. */
  dbAccounts: ReadonlyMap<string, DbAccount>
  /** The versions that are frozen, by what the steps say. */
  secrets: ReadonlyMap<string, FrozenSecret>
  /** Secret variables, which every script step is given, by their names. */
  shared: Readonly<Record<string, FrozenSecret>>
  /** Takes in the texts of the steps, by their hashes. */
  texts: Map<string, string>
  /** Texts of the library that import something, by their hashes. */
  importing: ReadonlyMap<string, string>
  variables: readonly CompiledVariable[]
  /** All variables of the run, those without a value, too. */
  named: readonly NamedVariable[]
}

/**
 * @param where names the step in messages
 * @throws PlatformError script_too_large, plan_invalid
 */
export function compileScriptStep(
  step: ScriptStepInput,
  where: string,
  sources: ScriptSources,
): CompiledScriptStep {
  checkFields(step, where)
  checkReferences(templatesOf(step), sources.named, where)
  checkSecretNames(step, sources, where)
  const text = textOf(
    { text: step.script, uses: step.uses, language: step.language ?? 'bash' },
    where,
    sources,
  )
  if (text.language === 'sql') {
    throw new PlatformError(
      'plan_invalid',
      `${where}: script ${step.uses} is SQL, which a step of the kind sql runs`,
    )
  }
  const { script: _text, uses: _uses, secrets, ...rest } = step
  const own = frozenSecrets(secrets, where, sources)
  const all = { ...sources.shared, ...own }
  return {
    ...rest,
    ...text,
    ...(Object.keys(all).length ? { secrets: all } : {}),
    concurrency: step.concurrency,
  }
}

/** @param asked by the names under which the step gets them */
export function frozenSecrets(
  asked: Record<string, string> | undefined,
  where: string,
  { secrets }: ScriptSources,
): Record<string, FrozenSecret> {
  const frozen = Object.entries(asked ?? {}).map(([name, use]): [string, FrozenSecret] => {
    const version = secrets.get(use)
    if (!version) throw new Error(`${where} uses secret ${use}, which was not looked up`)
    return [name, version]
  })
  return Object.fromEntries(frozen)
}

/**
 * The text of a step: the one that it uses, or its own, which is taken in.
 * @throws PlatformError script_too_large
 */
export function textOf(
  step: { text: string | undefined; uses: string | undefined; language: Language },
  where: string,
  { sha256, used, texts }: ScriptSources,
): StepText {
  const { text, uses = '', language } = step
  if (text === undefined) return usedText(uses, where, used)
  const scriptBytes = utf8Length(text)
  if (scriptBytes > SCRIPT_MAX_BYTES) {
    throw new PlatformError(
      'script_too_large',
      `${where}: the script has ${scriptBytes} bytes, at most ${SCRIPT_MAX_BYTES} are taken; put the bulk into a file and let the script read it`,
    )
  }
  const scriptSha256 = sha256(text)
  texts.set(scriptSha256, text)
  return { language, scriptSha256, scriptBytes }
}

function usedText(uses: string, where: string, used: ReadonlyMap<string, UsedScript>): StepText {
  const found = used.get(uses)
  if (!found) throw new Error(`${where} uses ${uses}, which was not looked up`)
  const { script, version, language, sha256, bytes } = found
  return { language, source: { script, version }, scriptSha256: sha256, scriptBytes: bytes }
}

// The agent refuses these too; said here, the run is refused before any host is asked.
const refusedVariables = /^(LD_.*|BASH_ENV|ENV|IFS|BASH_FUNC_.*|DROVER_.*)$/

/** Under which name a script is told where the file of a secret is. */
export const secretVariable = (name: string) => `${name}_FILE`

function checkFields(step: ScriptStepInput, where: string): void {
  for (const name of [...Object.keys(step.environment), ...Object.keys(step.secrets ?? {})]) {
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
  const fault = placeFault(step)
  if (fault) throw new PlatformError('plan_invalid', `${where}: ${fault}`)
}

type Places = Pick<CompiledScriptStep, 'arguments' | 'workingDirectory' | 'account' | 'timeoutMs'>

/** The fields in which `${NAME}` stands for the value of a variable. */
export function templatesOf(step: Places): string[] {
  const { workingDirectory, account, timeoutMs } = step
  return [...step.arguments, workingDirectory, account, ...(typeof timeoutMs === 'string' ? [timeoutMs] : [])]
}

/** What is wrong with a folder and an account; what a variable has a part in is judged when its value is there. */
export function placeFault(step: Pick<Places, 'workingDirectory' | 'account'>): string | undefined {
  const { workingDirectory, account } = step
  const isOpen = (text: string) => referencesOf(text).length > 0
  if (workingDirectory && !isOpen(workingDirectory) && !/^(\/|[A-Za-z]:\\)/.test(workingDirectory))
    return 'the working directory must be an absolute path'
  if (account && !isOpen(account) && !/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/.test(account))
    return `"${account.slice(0, 64)}" is not a name for an account`
  return undefined
}

/** @throws PlatformError plan_invalid */
export function checkAccount(account: string, where: string): void {
  const fault = placeFault({ workingDirectory: '', account })
  if (fault) throw new PlatformError('plan_invalid', `${where}: ${fault}`)
}

/**
 * A name means one thing: that of a secret is no variable beside it, nor is the one of its file. So it is also of a secret
 * variable that has no value yet: another launch gives it one.
 */
function checkSecretNames(
  { secrets = {}, environment }: ScriptStepInput,
  { variables, shared, named }: ScriptSources,
  where: string,
): void {
  const own = Object.keys(secrets)
  const names = [...own, ...named.flatMap(({ name, type }) => (type === 'secret' ? name : []))]
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    throw new PlatformError(
      'plan_invalid',
      `${where}: ${twice} is a secret of the step and a variable; give one of them another name`,
    )
  const given = own.length + Object.keys(shared).length
  if (given > STEP_SECRETS_MAX)
    throw new PlatformError(
      'plan_invalid',
      `${where}: it would be given ${given} secrets with those of the run, at most ${STEP_SECRETS_MAX} are possible`,
    )
  const givers = [
    { by: 'environment', names: new Set(Object.keys(environment)) },
    { by: 'the variables of the run', names: new Set(variables.map(({ name }) => name)) },
  ]
  for (const secret of names) {
    for (const { by, names } of givers) {
      const taken = [secret, secretVariable(secret)].find((name) => names.has(name))
      if (taken === undefined) continue
      throw new PlatformError(
        'plan_invalid',
        `${where}: the variable ${taken} is given by ${by} and by the secret ${secret}; give one of them another name`,
      )
    }
  }
}

/** How many of `hosts` run at once: `undefined` is all of them, `25%` at least one. */
export function concurrencyLimit(concurrency: number | string | undefined, hosts: number): number {
  if (concurrency === undefined) return hosts
  if (typeof concurrency === 'number') return Math.min(concurrency, hosts)
  return Math.max(1, Math.floor((hosts * Number.parseInt(concurrency, 10)) / 100))
}
