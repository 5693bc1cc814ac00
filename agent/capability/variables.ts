/** Variables of a script on this host: which values hold here, what may be given, and how they look in the environment. */
import { type DispatchOrder, type ScriptTask, type Variable, VariableType } from '../../proto/index.js'

/** Of one task. The server takes less; this keeps a signed mistake from filling the disk. */
const MOST = 64

const names: Partial<Record<VariableType, string>> = {
  [VariableType.VARIABLE_TYPE_STRING]: 'string',
  [VariableType.VARIABLE_TYPE_LIST]: 'list',
  [VariableType.VARIABLE_TYPE_MAP]: 'map',
}

/** The task's, and in their place those that this host has of its own. */
export function variablesOf(task: ScriptTask, order: DispatchOrder | undefined): Variable[] {
  const own = new Map(order?.variables.map((variable) => [variable.name, variable]))
  return task.variables.map((variable) => own.get(variable.name) ?? variable)
}

/** @returns what is wrong, or undefined; names are judged with those of the environment */
export function checkVariables(variables: readonly Variable[]): string | undefined {
  if (variables.length > MOST) return `there are ${variables.length} variables, at most ${MOST} are taken`
  for (const { name, type, items } of variables) {
    const isPairs = type === VariableType.VARIABLE_TYPE_MAP && items.length % 2 === 0
    const isOne = type === VariableType.VARIABLE_TYPE_STRING && items.length <= 1
    if (!isPairs && !isOne && type !== VariableType.VARIABLE_TYPE_LIST)
      return `the variable ${name} is not what this agent knows as ${names[type] ?? 'a variable'}`
    if (items.some((item) => item.includes(0)))
      return `the value of ${name} contains a NUL byte, which no process can be given`
  }
  return undefined
}

/** As a process gets it: a string as it is; a list and a map as JSON, for an environment has texts alone. */
export function environmentOf(variables: readonly Variable[]): Record<string, Buffer> {
  return Object.fromEntries(variables.map((variable) => [variable.name, inEnvironment(variable)]))
}

function inEnvironment({ type, items }: Variable): Buffer {
  const texts = items.map((item) => item.toString('utf8'))
  if (type === VariableType.VARIABLE_TYPE_LIST) return Buffer.from(JSON.stringify(texts))
  if (type === VariableType.VARIABLE_TYPE_MAP) return Buffer.from(JSON.stringify(pairsOf(texts)))
  return items[0] ?? Buffer.alloc(0)
}

function pairsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(texts.flatMap((key, at) => (at % 2 ? [] : [[key, texts[at + 1] ?? '']])))
}

const NUL = Buffer.of(0)

/** The bytes of a file that holds a value: a string as it is, otherwise each item with a NUL after it. */
export function toFile({ type, items }: Variable): Buffer {
  if (type === VariableType.VARIABLE_TYPE_STRING) return items[0] ?? Buffer.alloc(0)
  return Buffer.concat(items.flatMap((item) => [item, NUL]))
}

/** The items in such a file; undefined where it is none of the type. */
export function fromFile(type: VariableType, bytes: Buffer): Buffer[] | undefined {
  if (type === VariableType.VARIABLE_TYPE_STRING) return bytes.includes(0) ? undefined : [bytes]
  const items: Buffer[] = []
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from)
    if (end < 0) return undefined
    items.push(bytes.subarray(from, end))
    from = end + 1
  }
  return type === VariableType.VARIABLE_TYPE_MAP && items.length % 2 ? undefined : items
}
