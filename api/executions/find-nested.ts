/** The plans that steps bring, as they were kept at their revisions: found level by level, so that a circle or a bomb is read once. */
import { PlatformError } from '../../domain/errors.js'
import type { ScopeId } from '../../domain/id.js'
import { type NestablePlan, nestedUses, tooDeep } from '../../domain/inline-plans.js'
import { chooseSteps } from '../../domain/job.js'
import { NESTING_MAX_DEPTH, RUN_MAX_STEPS } from '../../domain/nested-plan.js'
import type { PlanInput } from '../../domain/plan.schema.js'
import { NestedSize, tooManySteps } from '../../domain/plan-size.js'
import { parsePlanUse, type PlanUse } from '../../domain/plan-use.js'
import { getRevision, holdPlans, type PlanRevision } from '../../store/postgres/plan-revisions.js'
import type { Db } from '../../store/postgres/pool.js'

/**
 * Only of the scope that asks: whoever may launch in it may launch each of them, and a name that another scope has is unknown.
 * @returns by how steps name them
 * @throws PlatformError plan_unknown, plan_revision_unknown, plan_too_deep, plan_too_large, plan_circular
 */
export async function findNested(
  db: Db,
  scopeId: ScopeId,
  { steps }: Pick<PlanInput, 'steps'>,
): Promise<ReadonlyMap<string, NestablePlan>> {
  const found = new Map<string, NestablePlan>()
  const size = new NestedSize(steps)
  let level = new Set(nestedUses(steps))
  for (let depth = 1; level.size; depth++) {
    const [first = ''] = level
    if (depth > NESTING_MAX_DEPTH) throw tooDeep(`plan ${first}`)
    // Each brings a step at least.
    if (found.size + level.size > RUN_MAX_STEPS) throw tooManySteps()
    const next = new Set<string>()
    for (const text of level) {
      const kept = await mustFindRevision(db, scopeId, text)
      const { variables, values } = kept
      const plan = { steps: chooseSteps(kept.steps, kept.chosen), variables, values }
      size.add(plan, JSON.stringify(kept).length)
      found.set(text, plan)
      for (const inner of nestedUses(plan.steps)) if (!found.has(inner)) next.add(inner)
    }
    for (const text of found.keys()) next.delete(text)
    level = next
  }
  return found
}

/** With all steps that would run or be left out, those of nested plans, too: what they name must be there. */
export function withNested<P extends Pick<PlanInput, 'steps'>>(
  plan: P,
  nested: ReadonlyMap<string, NestablePlan>,
): P {
  return { ...plan, steps: [...plan.steps, ...[...nested.values()].flatMap(({ steps }) => steps)] }
}

/** Makes sure, last in a transaction, that they are still there and stay until it is written. @throws PlatformError plan_unknown */
export async function holdNested(
  tx: Db,
  scopeId: ScopeId,
  nested: ReadonlyMap<string, NestablePlan>,
): Promise<void> {
  const plans = [...new Set([...nested.keys()].map((text) => text.split('@')[0] ?? ''))]
  if (!plans.length) return
  const held = await holdPlans(tx, scopeId, plans)
  const missing = plans.find((plan) => !held.includes(plan))
  if (missing !== undefined) throw unknown(missing)
}

async function mustFindRevision(db: Db, scopeId: ScopeId, text: string): Promise<PlanRevision> {
  const use = parsePlanUse(text)
  if (!use) throw new Error(`${text} names no plan`)
  const kept = await getRevision(db, scopeId, use)
  if (kept === undefined) throw unknown(`${use.job}/${use.plan}`)
  if (kept === null) throw revisionUnknown(use)
  return kept
}

const unknown = (plan: string) =>
  new PlatformError('plan_unknown', `there is no plan ${plan}; see: drover jobs ls`)

export const revisionUnknown = ({ job, plan, revision }: PlanUse) =>
  new PlatformError(
    'plan_revision_unknown',
    `plan ${job}/${plan} has no revision ${revision}; see: drover jobs show ${job}/${plan}`,
  )
