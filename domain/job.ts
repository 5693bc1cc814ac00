/**
 * Jobs and their plans: a job is what people author, a plan what can be launched of it. A plan keeps the steps as the job had
 * them when it was made or synced: it never follows the job by itself.
 */
import { PlatformError } from './errors.js'
import type { JobSteps } from './job.schema.js'
import { parseUse } from './script-library.js'
import { isSecret } from './secret-variable.js'
import { hasText } from './step/step.js'
import { valueFault } from './variable.js'
import type { Values, VariableInput } from './variable.schema.js'

/** The steps of a plan, in their order. @throws PlatformError plan_invalid if one that it chooses is not there */
export function chooseSteps(steps: JobSteps, chosen: readonly string[] | null): JobSteps {
  if (chosen === null) return steps
  const names = new Set(steps.map((step) => step.name))
  const missing = chosen.filter((name) => !names.has(name))
  if (missing.length) {
    throw new PlatformError(
      'plan_invalid',
      `there is no step ${missing.map((name) => `"${name}"`).join(', ')}; there are ${[...names].map((name) => `"${name}"`).join(', ')}`,
    )
  }
  return steps.filter((step) => chosen.includes(step.name))
}

export interface Synced {
  chosen: readonly string[] | null
  /** Steps that the plan had chosen and the job has no more. */
  dropped: string[]
}

/** What a plan chooses of the job's steps of today; undefined if nothing is left. */
export function syncChosen(steps: JobSteps, chosen: readonly string[] | null): Synced | undefined {
  if (chosen === null) return { chosen, dropped: [] }
  const names = new Set(steps.map((step) => step.name))
  const left = chosen.filter((name) => names.has(name))
  if (!left.length) return undefined
  return { chosen: left, dropped: chosen.filter((name) => !names.has(name)) }
}

/**
 * What a plan keeps of its own values when it is synced. What named a secret names none of a variable that is a map by now, and
 * what a map held is no name of a secret.
 * @param own with the names of those that were of secrets when they were given
 * @returns the values, and the names of those that the job has no more, or whose type is another one by now
 */
export function syncValues(
  variables: readonly VariableInput[],
  own: { values: Values; secret: readonly string[] },
): { values: Values; droppedValues: string[] } {
  const kept = Object.entries(own.values).filter(([name, value]) => {
    const variable = variables.find((one) => one.name === name)
    if (variable === undefined || isSecret(variable) !== own.secret.includes(name)) return false
    return variable.type === 'secret' || valueFault(variable.type, value) === undefined
  })
  const values = Object.fromEntries(kept)
  return { values, droppedValues: Object.keys(own.values).filter((name) => !Object.hasOwn(values, name)) }
}

/**
 * Steps that name another version of a script, naming `to`; those that name none go on meaning what is online.
 * @returns the steps, and the names of those that changed
 */
export function renewUses(
  steps: JobSteps,
  script: string,
  to: number,
): { steps: JobSteps; changed: string[] } {
  const changed: string[] = []
  const isOld = (uses: string | undefined) => {
    const use = uses === undefined ? undefined : parseUse(uses)
    return use?.name === script && use.version !== undefined && use.version !== to
  }
  const uses = `${script}@${to}`
  const renewed = steps.map((step) => {
    if (!hasText(step) || !(isOld(step.uses) || isOld(step.undo?.uses))) return step
    changed.push(step.name)
    return {
      ...step,
      ...(isOld(step.uses) ? { uses } : {}),
      ...(isOld(step.undo?.uses) ? { undo: { ...step.undo, uses } } : {}),
    } as typeof step
  })
  return { steps: renewed, changed }
}

/** What a plan is called: `deploy-site/staging`. */
export interface PlanName {
  job: string
  plan: string
}
