/**
 * Targets that steps have of their own, instead of the run's: in the same grammar, with host lists by their names; or hosts of earlier steps, by what they
 * came to there.
 */
import { PlatformError } from '../errors.js'
import { parseTarget, TargetFault } from '../target.js'
import { type CompiledVariable, referencesOf } from '../variable.js'
import { parseWhich, type Take } from './take.js'

type Variables = readonly Pick<CompiledVariable, 'name' | 'type' | 'value'>[]

/** The steps before one, as it may name them. */
export type Earlier = readonly { name: string; hasHosts: boolean; isPlan?: boolean }[]

/** A line that stands for what a variable holds. */
const HOST_LIST = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/

/** A line that takes hosts of an earlier step: `last:failed`, `step:deploy:failed`. */
const TAKE = /^(?:last|step:(.+)):([a-z_]+)$/

const linesOf = (target: string) =>
  target
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('#'))

/**
 * Refuses what could never be resolved. Whether its hosts are there is asked at the launch.
 * @param known.where names the step in messages
 * @returns what it takes of earlier steps; undefined where its hosts are known at the launch
 * @throws PlatformError plan_invalid
 */
export function compileTarget(
  target: string,
  known: { variables: Variables; earlier: Earlier; where: string },
): Take[] | undefined {
  try {
    const lines = linesOf(target)
    const taking = lines.filter(isTake)
    if (!taking.length) {
      checkStatic(lines, known.variables)
      return undefined
    }
    if (taking.length < lines.length)
      throw new TargetFault(
        'hosts of earlier steps are known when the step begins, all others at the launch: a target has lines of one kind',
      )
    return taking.map((line) => takeOf(line, known.earlier))
  } catch (error) {
    if (!(error instanceof TargetFault)) throw error
    throw new PlatformError('plan_invalid', `${known.where}: its target: ${error.message}`)
  }
}

// A label may be called `last`, but no selector has a colon in it.
const isTake = (line: string) => /^(last|step):/.test(line)

/** @throws TargetFault */
function checkStatic(lines: readonly string[], variables: Variables): void {
  const own: string[] = []
  for (const line of lines) {
    const name = HOST_LIST.exec(line)?.[1]
    if (name !== undefined) checkList(name, variables)
    else if (referencesOf(line).length)
      throw new TargetFault('a host list stands in a line of its own, as ${WEB}')
    else own.push(line)
  }
  if (own.length || !lines.length) parseTarget(own.join('\n'))
}

/** @throws TargetFault */
function checkList(name: string, variables: Variables): void {
  const variable = variables.find((one) => one.name === name)
  if (!variable) throw new TargetFault(`there is no variable ${name}`)
  if (variable.type !== 'hostList')
    throw new TargetFault(`${name} is no host list: only one of the type hostList can stand there`)
}

/** @throws TargetFault */
function takeOf(line: string, earlier: Earlier): Take {
  const [, name, word = ''] = TAKE.exec(line) ?? []
  const which = parseWhich(word)
  if (!which)
    throw new TargetFault(
      `"${line.slice(0, 200)}" should read last:failed or step:NAME:failed; instead of failed: all, or a state`,
    )
  return { step: name === undefined ? lastOf(earlier) : namedOf(name, earlier), which }
}

function lastOf(earlier: Earlier): number {
  const plan = planBefore(earlier)
  if (plan !== undefined) throw new TargetFault(whyNotOfPlan(plan))
  const last = lastWithHosts(earlier)
  if (last === undefined) throw new TargetFault('no step before it has hosts')
  return last
}

function namedOf(name: string, earlier: Earlier): number {
  const found = earlier.flatMap((step, position) => (step.name === name ? [position] : []))
  const [position] = found
  if (position === undefined) throw new TargetFault(`"${name}" is not the name of an earlier step`)
  if (found.length > 1)
    throw new TargetFault(`there are ${found.length} earlier steps "${name}": give each a name of its own`)
  if (earlier[position]?.isPlan) throw new TargetFault(whyNotOfPlan(name))
  if (!earlier[position]?.hasHosts) throw new TargetFault(`the step "${name}" has no hosts`)
  return position
}

/** The name of the step before one, if that brings a plan: its steps are known inside it alone. */
export const planBefore = (earlier: Earlier): string | undefined => {
  const last = earlier.findLast((step) => step.hasHosts || step.isPlan)
  return last?.isPlan ? last.name : undefined
}

/** A plan has steps on several hosts: which of them would be meant is known to its own steps alone. */
export const whyNotOfPlan = (name: string) =>
  `the step "${name}" brings a plan: hosts of its steps are taken inside it alone`

/** Position of the step before one whose hosts are meant by "last"; skipped or not. */
export function lastWithHosts(earlier: Earlier): number | undefined {
  const last = earlier.findLastIndex((step) => step.hasHosts)
  return last < 0 ? undefined : last
}

/** The target with what host lists hold in the places of their names; empty where they hold nothing. */
export function fillTarget(target: string, variables: Variables): string {
  return linesOf(target)
    .map((line) => {
      const name = HOST_LIST.exec(line)?.[1]
      const held = variables.find((one) => one.name === name)?.value
      return typeof held === 'string' ? held : name === undefined ? line : ''
    })
    .join('\n')
}
