/** The condition of a step, told when its turn comes. */
import { ConditionFault, isMet, type Outcome } from '../domain/condition.js'
import type { StepExecutionId } from '../domain/id.js'
import type { StepState } from '../domain/step-execution.js'
import { appendEvents } from '../store/postgres/events.js'
import { type Execution, listSteps, type StepStanding } from '../store/postgres/executions.js'
import { skipStep } from '../store/postgres/operate.js'
import type { Db } from '../store/postgres/pool.js'

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
  const earlier = steps.slice(0, step.position)
  const end = conditionEnd(step.condition, earlier)
  if (!end) return false
  await skipStep(tx, key, { id }, end)
  if (end.detail) await appendEvents(tx, key.scopeId, key.executionId, [noteOf(step, end.detail)])
  return true
}

function conditionEnd(
  condition: string,
  earlier: readonly Outcome[],
): { state: StepState; reason: string; detail?: string } | undefined {
  try {
    return isMet(condition, earlier) ? undefined : { state: 'skipped', reason: 'condition_not_met' }
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
