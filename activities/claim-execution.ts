/** Claims an execution for a workflow: the ledger, not the engine, decides that it starts once. */
import type { ExecutionId, ScopeId } from '../domain/id.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { IR_VERSION } from '../domain/plan.js'
import {
  claimExecution,
  type Execution,
  listStepStandings,
  setExecutionState,
  type StepStanding,
} from '../store/postgres/executions.js'
import type { Db } from '../store/postgres/pool.js'
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
      const claimed = await claimExecution(tx, key, input)
      if (!claimed)
        return { claimed: false, why: `run r-${key.executionId} is carried on by another workflow` }
      if (isFinalExecutionState(claimed.state))
        return { claimed: false, why: `run r-${key.executionId} has already ended` }
      const execution = await begun(tx, claimed)
      if (claimed.irVersion > IR_VERSION) return tooNew(key.executionId)
      const steps = await listStepStandings(tx, key)
      const advanced = await advance(tx, deps, {
        key,
        execution,
        steps,
        look: input.look,
        known: nothingKnown,
      })
      return {
        claimed: true,
        actor: execution.launchedBy,
        hosts: execution.hosts,
        advance: { ...advanced, outcomes: [] },
        ...(historyMaxEvents ? { historyMaxEvents } : {}),
        steps: steps.map((step, position) => claimedStep(step, advanced.states[position])),
      }
    })
}

async function begun(tx: Db, execution: Execution): Promise<Execution> {
  if (execution.state !== 'pending') return execution
  await setExecutionState(tx, { scopeId: execution.scopeId, executionId: execution.id }, 'running')
  return { ...execution, state: 'running' }
}

/** While workers are replaced, an older one may meet what only a newer one understands: its task is left to others. */
function tooNew(executionId: ExecutionId): Claim {
  const why = `the plan of run r-${executionId} was compiled by a newer version: it waits for a worker of that version`
  return { claimed: false, isTooNew: true, why }
}

const claimedStep = (
  { id: stepExecutionId, name, state, hosts, undoes }: StepStanding,
  now = state,
): ClaimedStep => ({
  stepExecutionId,
  name,
  state: now,
  hosts,
  ...(undoes === null ? {} : { undoes }),
})
