/** The condition of a step, told when its turn comes. */
import { ConditionFault, isMet, type Seen } from '../domain/condition.js'
import type { StepExecutionId } from '../domain/id.js'
import type { StepState } from '../domain/step-execution.js'
import { appendEvents } from '../store/postgres/events.js'
import { type Execution, listSteps, type StepStanding } from '../store/postgres/executions.js'
import { skipStep } from '../store/postgres/operate.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import type { CompiledPlan } from '../domain/plan.js'
import { hasOneValue } from '../domain/variable.js'
import { toValue } from '../store/postgres/variable-value.js'
import type { Key } from './owner.js'
import { valuesBefore } from './step-inputs.js'

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
  const variables = await seenVariables(tx, key, plan, step.position)
  const end = conditionEnd(step.condition, { steps: steps.slice(0, step.position), variables })
  if (!end) return false
  await skipStep(tx, key, { id }, end)
  if (end.detail) await appendEvents(tx, key.scopeId, key.executionId, [noteOf(step, end.detail)])
  return true
}

/** The variables as a condition sees them; those that each host has its own of have no value for all. */
async function seenVariables(
  tx: Db,
  key: Key,
  plan: CompiledPlan | undefined,
  position: number,
): Promise<Seen['variables']> {
  const shared = plan?.variables?.filter(hasOneValue)
  if (!plan || !shared?.length) return new Map()
  const values = await valuesBefore(tx, key, plan, position)
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
