/** Claims an execution for a workflow: the ledger, not the engine, decides that it starts once. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { IR_VERSION } from '../domain/plan.js'
import {
  claimExecution,
  getExecution,
  listSteps,
  setExecutionState,
  type StepExecution,
} from '../store/postgres/executions.js'
import { findPlan } from '../store/postgres/plans.js'
import { transaction } from '../store/postgres/transaction.js'
import type { Claim, ClaimedStep, ControlActivities, Known } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { advance } from './advance.js'

/** What a workflow knows that has just begun. */
export const nothingKnown: Known = { shards: [], waits: 0, wakes: 0, engineCancelled: false, leave: false }

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
      const asking = { ...nothingKnown, look: input.look, operations: [] }
      const advanced = await advance(tx, deps, { key, execution, asking })
      const steps = await listSteps(tx, key.scopeId, key.executionId)
      return {
        claimed: true,
        actor: execution.launchedBy,
        hosts: execution.hosts,
        advance: advanced,
        ...(historyMaxEvents ? { historyMaxEvents } : {}),
        steps: steps.map(claimedStep),
      }
    })
}

/** While workers are replaced, an older one may meet what only a newer one understands: its task is left to others. */
function tooNew(executionId: ExecutionId): Claim {
  const why = `the plan of run r-${executionId} was compiled by a newer version: it waits for a worker of that version`
  return { claimed: false, isTooNew: true, why }
}

const claimedStep = ({ id: stepExecutionId, name, state, hosts }: StepExecution): ClaimedStep => ({
  stepExecutionId,
  name,
  state,
  hosts,
})
