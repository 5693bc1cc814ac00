/** The condition of a step, told when its turn comes. */
import { ConditionFault, isMet, type Seen } from '../domain/condition.js'
import { conditionsOf, isLeft, leftOnFailure, outcomesBefore } from '../domain/nested-plan.js'
import type { StepExecutionId } from '../domain/id.js'
import type { StepState } from '../domain/step-execution.js'
import { appendEvents } from '../store/postgres/events.js'
import {
  type Execution,
  listSteps,
  type StepExecution,
  type StepStanding,
} from '../store/postgres/executions.js'
import { skipStep } from '../store/postgres/operate.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import type { CompiledPlan } from '../domain/plan.js'
import { hasOneValue } from '../domain/variable.js'
import { toValue } from '../store/postgres/variable-value.js'
import type { Key } from './owner.js'
import { type Place, valuesAt } from './step-inputs.js'
import { variablesIn } from '../domain/variable-source.js'

/** Before a step begins: one whose condition is not met is skipped. @returns whether it was ended */
export async function endUnlessMet(
  tx: Db,
  execution: Execution,
  id: StepExecutionId,
  step: StepStanding,
): Promise<boolean> {
  const isHeld = execution.pause !== null || execution.cancelRequestedAt !== null
  if (step.condition === null || step.state !== 'pending' || isHeld) return false
  const key = { scopeId: execution.scopeId, executionId: execution.id }
  const steps = await listSteps(tx, key.scopeId, key.executionId)
  const { dispatched = 0, running = 0 } = steps[step.position]?.counts ?? {}
  // After a restore hosts may have been sent what the rows know no more of: then it has begun.
  if (dispatched || running) return false
  const plan = await findPlan(tx, key.scopeId, execution.planHash)
  if (!plan) throw new Error(`r-${execution.id} has no compiled plan`)
  const end = await firstEnd(tx, key, plan, { steps, position: step.position })
  if (!end) return false
  // Where a plan that it is in ignores failures, one that cannot be told is such a failure.
  const isIgnored = end.state === 'failed' && leftOnFailure(plan, step.position) !== undefined
  await skipStep(tx, key, { id }, isIgnored ? { ...end, state: 'ignored' } : end)
  if (end.detail) await appendEvents(tx, key.scopeId, key.executionId, [noteOf(step, end.detail)])
  return true
}

/** Those of the plans that the step is in come first: each as it was when the plan began. */
async function firstEnd(
  tx: Db,
  key: Key,
  plan: CompiledPlan,
  { steps, position }: { steps: readonly StepExecution[]; position: number },
): Promise<ReturnType<typeof conditionEnd>> {
  if (isLeft(plan, position, steps)) return { state: 'skipped', reason: 'plan_left' }
  for (const { text, ...place } of conditionsOf(plan, position)) {
    const variables = await seenVariables(tx, key, plan, place)
    const end = conditionEnd(text, { steps: outcomesBefore(plan, steps, place), variables })
    if (end) return end
  }
  return undefined
}

/** The variables as a condition sees them. */
async function seenVariables(tx: Db, key: Key, plan: CompiledPlan, place: Place): Promise<Seen['variables']> {
  const shared = variablesIn(plan, place.within).filter(hasOneValue)
  if (!shared.length) return new Map()
  const values = await valuesAt(tx, key, plan, place)
  return new Map(shared.map(({ name, type }) => [name, toValue(type, values.get(name) ?? [])]))
}

function conditionEnd(
  condition: string,
  seen: Seen,
): { state: StepState; reason: string; detail?: string } | undefined {
  try {
    return isMet(condition, seen) ? undefined : { state: 'skipped', reason: 'condition_not_met' }
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error
    return { state: 'failed', reason: 'condition_failed', detail: error.message }
  }
}

const noteOf = (step: StepStanding, detail: string) => ({
  type: 'note' as const,
  body: {
    position: step.position,
    text: `the condition of step ${step.position + 1} cannot be told: ${detail}`,
  },
})
