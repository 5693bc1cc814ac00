/** Variables of a run: their values at the launch, and what of them stands in a step's own fields. */
import { PlatformError } from './errors.js'
import type { Value, Values, VariableInput } from './variable.schema.js'
import { parseTarget, TargetFault } from './target.js'
import { utf8Length } from './text.js'
import { VALUE_MAX_BYTES } from './variable-name.js'

/** Of those whose values scripts are given as data, or that name hosts; of secrets: secret-variable.ts. */
export type VariableType = 'string' | 'list' | 'map' | 'perHost' | 'hostList'

const isPlain = (variable: VariableInput): variable is VariableInput & { type: VariableType } =>
  variable.type !== 'secret'

/** As it is frozen into the plan of a run. */
export interface CompiledVariable {
  name: string
  type: VariableType
  value: Value
  changeable: boolean
  onDisagreement: 'first' | 'fail'
  /** The visit of a nested plan that it is of; left out: the run's own. */
  within?: number
}

/** Which of its items a value of a type is made of, keys before their values. */
export function itemsOf(value: Value): string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value : Object.entries(value).flat()
}

export const isEmpty = (value: Value) =>
  typeof value === 'string' ? value === '' : itemsOf(value).length === 0

const empty: Record<VariableType, Value> = { string: '', perHost: '', hostList: '', list: [], map: {} }

/** Whether conditions may ask for it: a value of each host's own is none for all, and hosts are named, not compared. */
export const hasOneValue = ({ type }: { type: VariableType }): boolean =>
  type !== 'perHost' && type !== 'hostList'

/** What is wrong with a value for a variable, in words; undefined if nothing is. */
export function valueFault(type: VariableType, value: Value): string | undefined {
  const is = typeof value === 'string' ? 'string' : Array.isArray(value) ? 'list' : 'map'
  const wanted = type === 'list' || type === 'map' ? type : 'string'
  if (is !== wanted) return `is a ${is}, where a ${wanted} is asked`
  const bytes = itemsOf(value).reduce((sum, item) => sum + utf8Length(item) + 1, 0)
  if (bytes > VALUE_MAX_BYTES) return `has ${bytes} bytes, at most ${VALUE_MAX_BYTES} are taken`
  if (is === 'map' && Object.hasOwn(value as object, '')) return 'has an empty key, which bash does not know'
  return type === 'hostList' ? hostListFault(value as string) : undefined
}

/** An empty one names no host: a step that is to run there refuses the launch. */
function hostListFault(value: string): string | undefined {
  try {
    if (value !== '') parseTarget(value)
    return undefined
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error
    return `is no target: ${error.message}`
  }
}

/**
 * The variables of a run, but for secrets, with the values that it begins with: the launch's, else the plan's own, else the definition's.
 * @param given by who is heard first
 * @throws PlatformError plan_invalid, variable_unknown, variable_required
 */
export function compileVariables(
  variables: readonly VariableInput[],
  given: readonly Values[],
  isLaunch: boolean,
): CompiledVariable[] {
  const names = new Set(variables.map((variable) => variable.name))
  for (const name of given.flatMap((values) => Object.keys(values))) {
    if (names.has(name)) continue
    const there = names.size ? `there are ${[...names].join(', ')}` : 'it has none'
    throw new PlatformError('variable_unknown', `there is no variable "${name.slice(0, 70)}"; ${there}`)
  }
  return variables.filter(isPlain).map(({ name, type, value, required, changeable, onDisagreement }) => {
    // A variable may be called `constructor`.
    const compiled = given.find((values) => Object.hasOwn(values, name))?.[name] ?? value ?? empty[type]
    const fault = valueFault(type, compiled)
    if (fault) throw new PlatformError('plan_invalid', `the value of ${name} ${fault}`)
    if (type === 'hostList' && changeable)
      throw new PlatformError(
        'plan_invalid',
        `${name} is a host list: a launch may change it, scripts cannot`,
      )
    if (isLaunch && required && isEmpty(compiled))
      throw new PlatformError('variable_required', `${name} needs a value: give one with --set ${name}=…`)
    return { name, type, value: compiled, changeable: changeable || type === 'perHost', onDisagreement }
  })
}

/** What stands in place of variables, in arguments, folders, accounts and time limits: `${NAME}`; `$${` is a `${` as it is. */
const REFERENCE = /\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\})/g

/** Names of the variables that a text refers to. */
export function referencesOf(text: string): string[] {
  return [...text.matchAll(REFERENCE)].flatMap((found) => found[2] ?? [])
}

/** A text in pieces: what stands there as it is, and names of variables whose values come in their places. */
export function piecesOf(text: string): ({ text: string } | { name: string })[] {
  const pieces: ({ text: string } | { name: string })[] = []
  let from = 0
  for (const found of text.matchAll(REFERENCE)) {
    pieces.push({ text: text.slice(from, found.index) })
    pieces.push(found[2] === undefined ? { text: '${' } : { name: found[2] })
    from = found.index + found[0].length
  }
  pieces.push({ text: text.slice(from) })
  return pieces.filter((piece) => 'name' in piece || piece.text !== '')
}

export type NamedVariable = Pick<VariableInput, 'name' | 'type'>

const NO_STRING = 'is not a string: only strings can stand there'

/** Why the value of a variable of a type stands in no field of a step; empty if it does. */
const whyNoText: Record<VariableInput['type'], string> = {
  string: '',
  list: NO_STRING,
  map: NO_STRING,
  perHost: NO_STRING,
  hostList: NO_STRING,
  secret: 'is a secret, which everybody on the host could read there: let the script read its file',
}

/**
 * Refuses references that can have no value. Where a run has no variables that could stand in a text, `${` is one like any other.
 * @param where names the field in messages
 * @throws PlatformError plan_invalid
 */
export function checkReferences(
  texts: readonly string[],
  variables: readonly NamedVariable[],
  where: string,
): void {
  const isText = !variables.some(({ type }) => type !== 'secret' && type !== 'hostList')
  for (const name of texts.flatMap(referencesOf)) {
    const variable = variables.find((one) => one.name === name)
    if (isText && variable === undefined) continue
    const why =
      variable === undefined
        ? `there is no variable ${name}; write $\${${name}} where the text itself is meant`
        : whyNoText[variable.type] && `${name} ${whyNoText[variable.type]}`
    if (why) throw new PlatformError('plan_invalid', `${where}: ${why}`)
  }
}
