/** What a step makes of the run's variables, settled with its verdict. */
import type { StepExecutionId } from '../domain/id.js'
import type { StepState } from '../domain/step-execution.js'
import { appendEvents } from '../store/postgres/events.js'
import type { Execution, StepExecution } from '../store/postgres/executions.js'
import { variablesIn } from '../domain/variable-source.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import { decideValues, type DecidedValue, insertRunValues } from '../store/postgres/variables.js'
import type { Key } from './owner.js'

interface Settling {
  key: Key & { stepExecutionId: StepExecutionId }
  execution: Execution
  step: Pick<StepExecution, 'position'>
  verdict: StepState
}

/**
 * Of each variable the value of the first host, in the order of the target, that succeeded and set it.
 * @returns those about which hosts disagree although they must not: they keep what they had
 */
export async function settleVariables(tx: Db, settling: Settling): Promise<string[]> {
  const { key, execution, step, verdict } = settling
  if (verdict !== 'succeeded' && verdict !== 'ignored') return []
  const plan = await findPlan(tx, key.scopeId, execution.planHash)
  const known = plan ? variablesIn(plan, plan.steps[step.position]?.within) : []
  const shared = known.filter(({ changeable, type }) => changeable && type !== 'perHost')
  if (!shared.length) return []
  const names = shared.map(({ name }) => name)
  const decided = await decideValues(tx, key, names)
  const strict = new Set(shared.filter((one) => one.onDisagreement === 'fail').map(({ name }) => name))
  const unsettled = decided.filter(({ name, agreed }) => !agreed && strict.has(name))
  const settled = decided.filter((value) => !unsettled.includes(value))
  await insertRunValues(tx, key, step.position, settled)
  const notes = decided.map((value) => noteOf(value, step.position, unsettled.includes(value)))
  await appendEvents(tx, key.scopeId, key.executionId, notes)
  return unsettled.map(({ name }) => name)
}

/** Whose value holds, and not the value. */
function noteOf(value: DecidedValue, position: number, isUnsettled: boolean) {
  const { name, hostName, hosts, agreed } = value
  const text = isUnsettled
    ? `the ${hosts} hosts that set ${name} do not agree: it keeps its value, and the step has failed`
    : agreed
      ? `${name} was set by ${hosts === 1 ? hostName : `${hosts} hosts, all to the same`}`
      : `${hosts} hosts set ${name} and do not agree: the value of ${hostName}, the first of the target, holds`
  return { type: 'note' as const, body: { position, text } }
}
