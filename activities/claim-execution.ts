/** Claims an execution for a workflow: the ledger, not the engine, decides that it starts once. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { IR_VERSION } from '../domain/plan.js'
import type { CompiledStep } from '../domain/step/step.js'
import {
  claimExecution,
  getExecution,
  listSteps,
  setExecutionState,
  type StepExecution,
} from '../store/postgres/executions.js'
import { findPlan } from '../store/postgres/plans.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Claim, ClaimedStep, ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { goOn } from './go-on.js'
import { standingOf } from './owner.js'

export function createClaimExecution(deps: ControlDependencies): ControlActivities['claimExecution'] {
  const { pool, historyMaxEvents } = deps
  return (input) =>
    transaction(pool, async (tx): Promise<Claim> => {
      const key = { scopeId: input.scopeId as ScopeId, executionId: input.executionId as ExecutionId }
      if (!(await claimExecution(tx, key, input))) {
        return { claimed: false, why: `run r-${key.executionId} is carried on by another workflow` }
      }
      const execution = await getExecution(tx, key.scopeId, key.executionId)
      if (!execution) return { claimed: false, why: `there is no run r-${key.executionId}` }
      if (isFinalExecutionState(execution.state))
        return { claimed: false, why: `run r-${key.executionId} has already ended` }
      if (execution.state === 'pending') await setExecutionState(tx, key, 'running')
      const plan = await findPlan(tx, key.scopeId, execution.planHash)
      if ((plan?.irVersion ?? 0) > IR_VERSION) return tooNew(key.executionId)
      const next = await goOn(tx, deps, { key, execution, look: input.look })
      const steps = await listSteps(tx, key.scopeId, key.executionId)
      return {
        claimed: true,
        name: execution.name,
        actor: execution.launchedBy,
        hosts: execution.hosts,
        standing: standingOf(execution),
        next,
        ...(historyMaxEvents ? { historyMaxEvents } : {}),
        steps: steps.map((step) => claimedStep(step, plan?.steps[step.position])),
      }
    })
}

/** While workers are replaced, an older one may meet what only a newer one understands: its task is left to others. */
function tooNew(executionId: ExecutionId): Claim {
  const why = `the plan of run r-${executionId} was compiled by a newer version: it waits for a worker of that version`
  return { claimed: false, isTooNew: true, why }
}

function claimedStep(step: StepExecution, compiled: CompiledStep | undefined): ClaimedStep {
  const { id: stepExecutionId, type, name, state, hosts } = step
  const script = compiled?.type === 'script' ? compiled : undefined
  return {
    stepExecutionId,
    type,
    name,
    state,
    hosts,
    timeoutMs: script?.timeoutMs ?? 0,
    graceMs: script?.graceMs ?? 0,
    onFailure: script?.onFailure ?? 'stop',
  }
}
