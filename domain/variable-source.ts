/** Where the value of a variable stands in a run: in which steps somebody may have set it, and what it begins as. */
import type { CompiledPlan } from './plan.js'
import type { CompiledVariable } from './variable.js'

/** Steps of a run, by position, both included, and under which name they set the variable. */
export interface Source {
  name: string
  first: number
  last: number
}

type Named = Pick<CompiledVariable, 'name' | 'within'>

/** The variables that a step, or a condition, knows. */
export function variablesIn(plan: CompiledPlan, within: number | undefined): CompiledVariable[] {
  return (plan.variables ?? []).filter((variable) => variable.within === within)
}

/**
 * The newest value of any of these is what a variable holds before a position; where there is none, its first value. One of a
 * nested plan goes back to the variable that it follows, as that was when the plan began.
 */
export function sourcesOf(plan: CompiledPlan, variable: Named, before: number): Source[] {
  const visit = variable.within === undefined ? undefined : plan.nested?.[variable.within]
  const inside = sourcesInside(plan, variable, before)
  const followed =
    visit?.follows && Object.hasOwn(visit.follows, variable.name) && visit.follows[variable.name]
  if (!visit || !followed) return inside
  const outer = { name: followed, ...(visit.within === undefined ? {} : { within: visit.within }) }
  return [...inside, ...sourcesOf(plan, outer, visit.first)]
}

/** Without what it follows: where the plan that it is of, or one nested there, may have set it. */
function sourcesInside(plan: CompiledPlan, { name, within }: Named, before: number): Source[] {
  const nested = plan.nested ?? []
  const visit = within === undefined ? undefined : nested[within]
  const end = Math.min(before, visit?.end ?? plan.steps.length)
  const sources: Source[] = []
  let from = visit?.first ?? 0
  for (const [index, inner] of nested.entries()) {
    if (inner.within !== within || inner.first >= end) continue
    if (from < inner.first) sources.push({ name, first: from, last: inner.first - 1 })
    from = inner.end
    if (inner.end > end) continue
    for (const [own, outer] of Object.entries(inner.handsBack ?? {}))
      if (outer === name) sources.push(...sourcesInside(plan, { name: own, within: index }, inner.end))
  }
  if (from < end) sources.push({ name, first: from, last: end - 1 })
  return sources
}
