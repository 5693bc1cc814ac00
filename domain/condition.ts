/**
 * Conditions of steps (`when`): a part of CEL, the Common Expression Language, over what earlier steps came to. It has no loops
 * and no regular expressions, so that the time it takes is bounded by its size.
 */
import { type ASTNode, Environment } from '@marcbachmann/cel-js'
import { type HostCounts, type HostState, hostStates } from './host-result.js'
import type { StepState } from './step-execution.js'
import type { Value } from './variable.schema.js'

/** Characters of a condition. */
export const CONDITION_MAX = 1_000

const environment = new Environment({
  limits: { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 0, maxCallArguments: 4 },
})
  .registerVariable('steps', 'map<string, map<string, dyn>>')
  .registerVariable('variables', 'map<string, dyn>')

/** Functions that take time by the size of what is written, and by nothing else. */
const functions = new Set([
  'size',
  'contains',
  'startsWith',
  'endsWith',
  'int',
  'double',
  'string',
  'bool',
  'has',
])

/** What a condition may ask of a step, beside `state` and `hosts`: how many hosts are in a state. */
const fields = new Set<string>(['state', 'hosts', ...hostStates])

export class ConditionFault extends Error {
  override name = 'ConditionFault'
}

/** A step as a condition sees it. */
export interface Outcome {
  name: string
  state: StepState
  hosts: number
  counts: HostCounts
}

/** Names of what a condition may ask about. */
export interface Known {
  /** The steps before it. */
  steps: readonly string[]
  variables: readonly string[]
}

/** What they came to when its turn has come. */
export interface Seen {
  steps: readonly Outcome[]
  /** A value is a text, a list of texts, or texts by their keys. */
  variables: ReadonlyMap<string, Value>
}

/**
 * Refuses what cannot be evaluated when its turn comes.
 * @throws ConditionFault in words for whoever wrote it
 */
export function checkCondition(text: string, known: Known): void {
  const parsed = parse(text)
  checkNode(parsed.ast, known)
  const { valid, type, error } = parsed.check()
  if (!valid) throw new ConditionFault(firstLine(error?.message ?? 'its types do not fit'))
  if (type !== 'bool' && type !== 'dyn')
    throw new ConditionFault(`it gives a ${type}, where yes or no is asked`)
}

/** @throws ConditionFault where it gives neither yes nor no */
export function isMet(text: string, { steps, variables }: Seen): boolean {
  let result: unknown
  try {
    result = parse(text)({
      steps: new Map(steps.map((step) => [step.name, valuesOf(step)])),
      variables: new Map([...variables].map(([name, value]) => [name, celOf(value)])),
    })
  } catch (error) {
    if (error instanceof ConditionFault) throw error
    throw new ConditionFault(firstLine((error as Error).message))
  }
  if (typeof result === 'boolean') return result
  throw new ConditionFault('it gives neither yes nor no')
}

function parse(text: string) {
  if (text.length > CONDITION_MAX) throw new ConditionFault(`it has over ${CONDITION_MAX} characters`)
  try {
    return environment.parse(text)
  } catch (error) {
    throw new ConditionFault(firstLine((error as Error).message))
  }
}

/** The library's messages go on with a drawing of the place. */
const firstLine = (message: string) => message.split('\n')[0] ?? message

function valuesOf({ state, hosts, counts }: Outcome): Map<string, string | bigint> {
  const count = (of: HostState): [string, bigint] => [of, BigInt(counts[of] ?? 0)]
  return new Map<string, string | bigint>([
    ['state', state],
    ['hosts', BigInt(hosts)],
    ...hostStates.map(count),
  ])
}

/** Maps of the language are Maps: a key of an object could be one of its prototype. */
const celOf = (value: Value) =>
  typeof value === 'string' || Array.isArray(value) ? value : new Map(Object.entries(value))

function checkNode(node: ASTNode, known: Known): void {
  if (node.op === 'call' || node.op === 'rcall') {
    const [name] = node.args
    if (!functions.has(name))
      throw new ConditionFault(`there is no function ${name}; there are ${[...functions].join(', ')}`)
  }
  if (node.op === 'id' && node.args === 'steps')
    throw new ConditionFault('"steps" is not a value: write steps.NAME.state, or steps["NAME"].failed')
  if (node.op === 'id' && node.args === 'variables')
    throw new ConditionFault('"variables" is not a value: write variables.NAME')
  const step = stepOf(node)
  if (step !== undefined) return checkStep(step.name, step.field, known.steps)
  const variable = variableOf(node)
  if (variable !== undefined) return checkVariable(variable, known.variables)
  for (const inner of innerOf(node)) checkNode(inner, known)
}

/** `variables.NAME` and `variables["NAME"]`. */
function variableOf(node: ASTNode): string | undefined {
  const member = memberOf(node)
  return member && member.of.op === 'id' && member.of.args === 'variables' ? member.key : undefined
}

function checkVariable(name: string, variables: readonly string[]): void {
  if (variables.includes(name)) return
  throw new ConditionFault(
    `there is no variable ${name}${variables.length ? `; there are ${variables.join(', ')}` : ''}`,
  )
}

/** `steps.NAME.FIELD` and `steps["NAME"].FIELD`. */
function stepOf(node: ASTNode): { name: string; field: string } | undefined {
  const field = memberOf(node)
  const name = field && memberOf(field.of)
  if (!name || name.of.op !== 'id' || name.of.args !== 'steps') return undefined
  return { name: name.key, field: field.key }
}

function memberOf(node: ASTNode): { of: ASTNode; key: string } | undefined {
  if (node.op === '.') return { of: node.args[0], key: node.args[1] }
  if (node.op !== '[]' || node.args[1].op !== 'value' || typeof node.args[1].args !== 'string')
    return undefined
  return { of: node.args[0], key: node.args[1].args }
}

function checkStep(name: string, field: string, earlier: readonly string[]): void {
  const found = earlier.filter((other) => other === name).length
  if (found > 1)
    throw new ConditionFault(`there are ${found} earlier steps "${name}": give each a name of its own`)
  if (!found) throw new ConditionFault(`"${name}" is not the name of an earlier step`)
  if (!fields.has(field))
    throw new ConditionFault(`a step has no "${field}"; it has ${[...fields].join(', ')}`)
}

const isNode = (value: unknown): value is ASTNode =>
  typeof value === 'object' && value !== null && 'op' in value

function innerOf(node: ASTNode): ASTNode[] {
  const args = node.args as unknown
  return (Array.isArray(args) ? args.flat(2) : [args]).filter(isNode)
}
