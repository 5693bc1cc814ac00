/**
 * Secret variables of nested plans: which versions each visit is given. A value is one of the store or of the plan itself, or
 * that of a secret variable around it. A text is taken by a launch, a job and a plan alone: steps are kept as they are written.
 */
import { PlatformError } from './errors.js'
import type { NestablePlan } from './inline-plans.js'
import type { CompiledPlan } from './plan.js'
import type { StepInput } from './plan.schema.js'
import { type FrozenSecret, parseSecretUse } from './secret.js'
import { freezeSettled, isSecret, secretUseOf, settleSecrets, usesInValues } from './secret-variable.js'
import type { PlanStepInput } from './step/plan-step.schema.js'
import type { Value } from './variable.schema.js'

type Frozen = Record<string, FrozenSecret>

/**
 * @param around where: names the step in messages; shared: the secrets around the plan; found: by how values name them
 * @throws PlatformError plan_invalid
 */
export function secretsForVisit(
  step: PlanStepInput,
  plan: NestablePlan,
  around: { where: string; shared: Readonly<Frozen>; found: ReadonlyMap<string, FrozenSecret> },
): Frozen {
  const followed = Object.entries(step.follows ?? {}).flatMap(([name, outer]): [string, FrozenSecret][] => {
    const frozen = Object.hasOwn(around.shared, outer) ? around.shared[outer] : undefined
    return frozen ? [[name, frozen]] : []
  })
  return {
    ...freezeSettled(settleVisit(step, plan, around.where), around.found),
    ...Object.fromEntries(followed),
  }
}

/** How the values of a step's visit name secrets, with its variables; none of those that it follows. @throws PlatformError plan_invalid */
export function usesInVisit(
  step: StepInput,
  nested: ReadonlyMap<string, NestablePlan>,
): { use: string; variable: string }[] {
  const plan = step.type === 'plan' ? nested.get(step.plan) : undefined
  if (step.type !== 'plan' || !plan) return []
  return [...settleVisit(step, plan, `step "${step.name}"`)].flatMap(([variable, value]) => {
    const use = secretUseOf(value)
    return use === undefined ? [] : [{ use, variable }]
  })
}

/** What a step that brings a plan says of secrets. */
export const usesGiven = (step: StepInput): string[] =>
  step.type === 'plan' ? usesInValues(step.values ?? {}) : []

/** All secret variables of a run that have a value: its own first, then those of each visit, in the order of their names. */
export function secretsIn(
  plan: CompiledPlan,
): { name: string; within: number | undefined; frozen: FrozenSecret }[] {
  const levels = [{ secrets: plan.secrets }, ...(plan.nested ?? [])]
  return levels.flatMap(({ secrets = {} }, at) =>
    Object.entries(secrets)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, frozen]) => ({ name, within: at === 0 ? undefined : at - 1, frozen })),
  )
}

function settleVisit(
  { plan: use, values = {}, follows = {} }: PlanStepInput,
  plan: NestablePlan,
  where: string,
): Map<string, Value> {
  const settled = settleSecrets(plan.variables, [plan.values], false)
  for (const { name } of plan.variables.filter(isSecret)) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value !== undefined && !parseSecretUse(secretUseOf(value) ?? ''))
      throw new PlatformError(
        'plan_invalid',
        `${where}: ${name} of ${use} is a secret, and no step keeps one: name one of the store (${name}: {secret: NAME}), or let it follow a secret variable`,
      )
    if (value !== undefined) settled.set(name, value)
    if (Object.hasOwn(follows, name)) settled.delete(name)
  }
  return settled
}
