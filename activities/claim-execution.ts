/** Claims an execution for a workflow: the ledger, not the engine, decides that it starts once. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { IR_VERSION } from '../domain/plan.js'
import { claimExecution, getExecution, listSteps, setExecutionState } from '../store/postgres/executions.js'
import { findPlan } from '../store/postgres/plans.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Claim, ControlActivities } from './contract.js'
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
      if ((plan?.irVersion ?? 0) > IR_VERSION) throw tooNew(key.executionId)
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
        steps: steps.map((step) => ({
          stepExecutionId: step.id,
          name: step.name,
          state: step.state,
          hosts: step.hosts,
          timeoutMs: plan?.steps[step.position]?.timeoutMs ?? 0,
          graceMs: plan?.steps[step.position]?.graceMs ?? 0,
          onFailure: plan?.steps[step.position]?.onFailure ?? 'stop',
        })),
      }
    })
}

/** While workers are replaced, an older one may meet what only a newer one understands: it is tried again until one takes it. */
function tooNew(executionId: ExecutionId): PlatformError {
  const why = 'was compiled by a newer version: it waits for a worker of that version'
  return new PlatformError('unavailable', `the plan of run r-${executionId} ${why}`)
}
