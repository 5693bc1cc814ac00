/** The digest of a launch: what somebody looked at in a preview, and may demand of the launch that follows it. */
import { type FrozenTargets, listsOf } from './frozen-targets.js'
import type { CompiledPlan } from './plan.js'
import type { CompiledStep } from './step/step.js'
import { sortKeys } from './sort-keys.js'

/**
 * What is hashed: the compiled steps (with the hashes of their scripts) and how plans are nested, the values of variables, the frozen hosts of the run
 * and of each step in their order, and how long orders are good. Nothing else is in it, so that a new name, a comment in a job or another way to write a
 * target changes no digest.
 */
export function digestText(launch: {
  plan: CompiledPlan
  targets: FrozenTargets
  expiresInMs: number
}): string {
  const { plan, targets, expiresInMs } = launch
  const { irVersion, variables = [], nested } = plan
  const steps = plan.steps.map((step) => ({ ...step, target: undefined }))
  const hostIds = targets.hosts.map((host) => host.id)
  return JSON.stringify(
    sortKeys({
      irVersion,
      steps,
      nested,
      variables: variables.filter(({ type }) => type !== 'hostList'),
      hostIds,
      lists: listsOf(targets),
      imported: targets.lists,
      expiresInMs,
    }),
  )
}

/** How a step differs from the one of the same name in an earlier plan. */
export interface StepChange {
  change: 'new' | 'same' | 'changed'
  /** Position of the step that it is compared with; null of `new`. */
  was: number | null
  /** Fields that differ, of `changed`. */
  fields: string[]
}

/** The steps of a plan, each against the one of its name before; and the names of those that are gone. */
export function compareSteps(
  steps: readonly CompiledStep[],
  before: readonly CompiledStep[],
): { changes: StepChange[]; removed: string[] } {
  const changes = steps.map((step): StepChange => {
    const was = before.findIndex((other) => other.name === step.name)
    const other = before[was]
    if (!other) return { change: 'new', was: null, fields: [] }
    const fields = changedFields(step, other)
    return { change: fields.length ? 'changed' : 'same', was, fields }
  })
  const names = new Set(steps.map((step) => step.name))
  return { changes, removed: before.map((step) => step.name).filter((name) => !names.has(name)) }
}

function changedFields(step: CompiledStep, was: CompiledStep): string[] {
  const text = (value: unknown) => JSON.stringify(sortKeys(value))
  const keys = new Set([...Object.keys(step), ...Object.keys(was)]) as Set<keyof CompiledStep>
  // Where it stands is none of its fields.
  for (const place of ['within', 'path'] as const) keys.delete(place)
  return [...keys].filter((key) => text(step[key]) !== text(was[key])).sort()
}
