/**
 * Secret variables: values that are given and never read back. What is kept of one is the name of a secret: of the store, or of
 * one that was made for this value alone and that nobody names (an *own value*).
 */
import { PlatformError } from './errors.js'
import { type FrozenSecret, parseSecretUse } from './secret.js'
import type { Value, Values, VariableInput } from './variable.schema.js'

/** What stands for a value that is kept, wherever one is shown; and, where one may be given, for leaving it as it is. */
export const UNCHANGED = '******'

/** How long a run that has ended holds the values that were given for it: so long it can be retried, and done again. */
export const OWN_VALUE_KEPT_MS = 7 * 24 * 3_600_000

// No name of a secret has the slash.
const OWN = 'value/'

/** @param unique a UUID */
export const ownValueName = (unique: string) => OWN + unique

/** Whether the secret was made for the value of a variable: it has one version, and is destroyed when nothing holds it. */
export const isOwnValue = (secret: string) => secret.startsWith(OWN)

/** Stands in a plan for a value that came with its launch, until that is kept. @param name of the run's variable */
const standFor = (name: string): FrozenSecret => ({ secret: '', version: 0, id: name })
const givenAs = ({ secret, id }: FrozenSecret): string | undefined => (secret === '' ? id : undefined)

/** How a frozen secret is shown: `db-password@3`; a value of its own is no more than that there is one. */
export function showFrozen(frozen: FrozenSecret): string {
  const { secret, version } = frozen
  return givenAs(frozen) !== undefined || isOwnValue(secret) ? UNCHANGED : `${secret}@${version}`
}

/** The same as the value of a variable. */
export function showFrozenValue(frozen: FrozenSecret): Value {
  const shown = showFrozen(frozen)
  return shown === UNCHANGED ? shown : { secret: shown }
}

/** The value of a secret variable as it is shown: `******` for one of its own. */
function showValue(value: Value): Value {
  return ownValueIn(value) === undefined ? value : UNCHANGED
}

/** Values as they are shown. @param secret names of the variables that are secrets: what a map holds is no name of one */
export function showValues(values: Values, secret: readonly string[]): Values {
  const shown = Object.entries(values).map(([name, value]) => [
    name,
    secret.includes(name) ? showValue(value) : value,
  ])
  return Object.fromEntries(shown) as Values
}

/** Definitions as they are shown. */
export function showVariables(variables: readonly VariableInput[]): VariableInput[] {
  return variables.map((variable) =>
    isSecret(variable) && variable.value !== undefined
      ? { ...variable, value: showValue(variable.value) }
      : variable,
  )
}

/** The secret that a value names: `{secret: 'db-password@3'}`; undefined if it names none. */
export function secretUseOf(value: Value): string | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return undefined
  const [name, ...others] = Object.keys(value)
  return name === 'secret' && !others.length ? value['secret'] : undefined
}

/** What is kept of somebody's value, if it names that. */
export function ownValueIn(value: Value): string | undefined {
  const use = secretUseOf(value)
  return use !== undefined && isOwnValue(use) ? use : undefined
}

export const NO_SECRET_OF_STORE =
  'names no secret of the store: give a text, or name one as {secret: db-password}'

/** Refuses values that name what is kept of somebody's: nobody says its name. @throws PlatformError plan_invalid */
export function checkNoneKept(variables: readonly VariableInput[], given: Values): void {
  for (const { name } of variables.filter(isSecret)) {
    if (!Object.hasOwn(given, name) || ownValueIn(given[name] ?? '') === undefined) continue
    throw new PlatformError('plan_invalid', `the value of ${name} ${NO_SECRET_OF_STORE}`)
  }
}

/** Whether the value is one that must be kept before anything of it is: a text, and not what stands for one. */
export const isGiven = (value: Value | undefined): value is string =>
  typeof value === 'string' && value !== UNCHANGED

/** What is wrong with a value for a secret variable, in words that do not hold it; undefined if nothing is. */
export function secretValueFault(value: Value): string | undefined {
  if (value === '') return 'is empty: leave it out'
  if (typeof value === 'string') return undefined
  const use = secretUseOf(value)
  if (use !== undefined && (isOwnValue(use) || parseSecretUse(use))) return undefined
  return `must be a text, or name a secret: {secret: db-password}`
}

export const isSecret = (variable: Pick<VariableInput, 'type'>): boolean => variable.type === 'secret'

/**
 * The value that each secret variable of a run has: the launch's, else the plan's own, else the definition's; `******` asks the
 * next one. Those that have none are left out.
 * @param given by who is heard first
 * @throws PlatformError plan_invalid, variable_required
 */
export function settleSecrets(
  variables: readonly VariableInput[],
  given: readonly Values[],
  isLaunch: boolean,
): Map<string, Value> {
  const settled = new Map<string, Value>()
  for (const { name, value: defined, required } of variables.filter(isSecret)) {
    const heard = [
      ...given.map((values) => (Object.hasOwn(values, name) ? values[name] : undefined)),
      defined,
    ]
    for (const value of heard) {
      const fault = value === undefined ? undefined : secretValueFault(value)
      if (fault) throw new PlatformError('plan_invalid', `the value of ${name} ${fault}`)
    }
    if (defined === UNCHANGED) throw nothingKept(name)
    const value = heard.find((one) => one !== undefined && one !== UNCHANGED)
    if (value !== undefined) settled.set(name, value)
    else if (isLaunch && required)
      throw new PlatformError(
        'variable_required',
        `${name} needs a value: give one with --secret-file ${name}=PATH, or name a secret with --secret ${name}=NAME`,
      )
  }
  return settled
}

/** The versions that values mean. @param found by how they name them */
export function freezeSettled(
  settled: ReadonlyMap<string, Value>,
  found: ReadonlyMap<string, FrozenSecret>,
): Record<string, FrozenSecret> {
  const frozen = [...settled].map(([name, value]): [string, FrozenSecret] => {
    const use = secretUseOf(value)
    if (use === undefined) return [name, standFor(name)]
    const version = found.get(use)
    if (!version) throw new Error(`variable ${name} names secret ${use}, which was not looked up`)
    return [name, version]
  })
  return Object.fromEntries(frozen)
}

/** The same with what was kept of values that came with the launch. @param kept by names of the run's variables */
export function replaceGiven(
  secrets: Readonly<Record<string, FrozenSecret>>,
  kept: ReadonlyMap<string, FrozenSecret>,
): Record<string, FrozenSecret> {
  const all = Object.entries(secrets)
  return Object.fromEntries(all.map(([name, was]) => [name, kept.get(givenAs(was) ?? '') ?? was]))
}

export function nothingKept(name: string): PlatformError {
  return new PlatformError(
    'plan_invalid',
    `${name}: ${UNCHANGED} stands for a value that is kept, and there is none: give one, or name a secret`,
  )
}

/** How values of secret variables name secrets (`db-password`, `db-password@3`), with the variables. */
export function secretUses(
  variables: readonly VariableInput[],
  values: Values,
): { use: string; variable: string }[] {
  return variables.filter(isSecret).flatMap(({ name }) => {
    const use = Object.hasOwn(values, name) ? secretUseOf(values[name] ?? '') : undefined
    return use === undefined ? [] : [{ use, variable: name }]
  })
}

const usesIn = (variables: readonly VariableInput[], values: Values): string[] =>
  secretUses(variables, values).map(({ use }) => use)

/** The same of values whose definitions are elsewhere: whether one names a secret stands there, here it counts in any case. */
export const usesInValues = (values: Values): string[] =>
  Object.values(values).flatMap((value) => secretUseOf(value) ?? [])

/** The same of the values in definitions. */
export const usesInVariables = (variables: readonly VariableInput[]): string[] =>
  usesIn(variables, valuesIn(variables))

const valuesIn = (variables: readonly VariableInput[]): Values =>
  Object.fromEntries(variables.map(({ name, value }) => [name, value ?? '']))

/** Names of the secrets that the values of variables name: whoever keeps them cites those. */
export function citedByValues(variables: readonly VariableInput[], values: Values): string[] {
  return [...new Set(usesIn(variables, values).map((use) => parseKeptUse(use)?.name ?? use))]
}

/** The same of the values in definitions. */
export function citedByVariables(variables: readonly VariableInput[]): string[] {
  return citedByValues(variables, valuesIn(variables))
}

/** As parseSecretUse, and of what is kept of own values, too. */
export function parseKeptUse(text: string): ReturnType<typeof parseSecretUse> {
  return isOwnValue(text) ? { name: text, version: undefined } : parseSecretUse(text)
}
