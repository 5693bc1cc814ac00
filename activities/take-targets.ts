/** A step that targets hosts of earlier ones gets them when its turn comes: once, of what the ledger says then. */
import type { StepExecutionId } from '../domain/id.js'
import { leftOnFailure } from '../domain/nested-plan.js'
import { hostStepOf } from '../domain/step/step.js'
import { describeTakes } from '../domain/step/take.js'
import { TARGET_EMPTY } from '../domain/step-execution.js'
import { appendEvents } from '../store/postgres/events.js'
import { type Execution, getStep, setStepState, type StepStanding } from '../store/postgres/executions.js'
import { skipStep } from '../store/postgres/operate.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import { takeHosts } from '../store/postgres/taken-hosts.js'

/** @returns the step with the hosts that it has now; undefined where there is none, and it was ended */
export async function withTargets(
  tx: Db,
  execution: Execution,
  id: StepExecutionId,
  step: StepStanding,
): Promise<StepStanding | undefined> {
  const isHeld = execution.pause !== null || execution.cancelRequestedAt !== null
  if (!step.takesHosts || step.takenAt !== null || step.state !== 'pending' || isHeld) return step
  const key = { scopeId: execution.scopeId, executionId: execution.id, stepExecutionId: id }
  const plan = await findPlan(tx, key.scopeId, execution.planHash)
  const compiled = hostStepOf(plan?.steps[step.position])
  if (!compiled?.takes)
    throw new Error(`step ${step.position + 1} of run r-${execution.id} takes hosts of no step`)
  const hosts = await takeHosts(tx, key, compiled.takes)
  const what = describeTakes(compiled.takes)
  const text = hosts
    ? `step ${step.position + 1} runs on ${hosts} ${hosts === 1 ? 'host' : 'hosts'}: ${what}`
    : `there is no host for step ${step.position + 1}: ${what}`
  await appendEvents(tx, key.scopeId, key.executionId, [
    { type: 'note', body: { position: step.position, text } },
  ])
  if (hosts) return { ...step, hosts }
  const ignored = step.onFailure === 'ignore' || (await getStep(tx, key))?.failureIgnored
  const isFailure = compiled.onEmpty === 'fail'
  // A nested plan that ignores failures is left at this one, as at any other.
  const isLeft = isFailure && plan !== undefined && leftOnFailure(plan, step.position) !== undefined
  if (isFailure && !ignored) await setStepState(tx, key, 'failed', TARGET_EMPTY)
  else await skipStep(tx, key, { id }, { state: isLeft ? 'ignored' : 'skipped', reason: TARGET_EMPTY })
  return undefined
}
