/** Ends of a step that an operator wants: what is left of it is stopped, while its run goes on; or its failures do not count. */
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { STEP_ENDED } from '../../domain/step-execution.js'
import { setExecutionState, setStepState } from './executions.js'
import { appendHostEvents, type ChangedHost, returningChanged } from './ledger.js'
import { clearPause } from './operate.js'
import type { Db } from './pool.js'
import { mayStillRun } from './stops.js'

interface StepKey {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
}

const where = 'scope_id = $1 and execution_id = $2 and step_execution_id = $3'

const paramsOf = (key: StepKey) => [key.scopeId, key.executionId, key.stepExecutionId]

/**
 * Lets the run go past a step that has begun: from the commit on no order of the step leaves a gateway, hosts that were sent
 * nothing are cancelled, and what runs is told to stop once a worker has signed that (stops.ts).
 */
export async function endStep(tx: Db, key: StepKey, by: string): Promise<void> {
  // A stop of the whole run, from a hard pause, would not be told to hosts of the steps after it.
  await clearPause(tx, key)
  await tx.query('update execution set ending_step = $3 where scope_id = $1 and id = $2', paramsOf(key))
  const cancelled = await tx.query<ChangedHost>(
    `update host_result r set state = 'cancelled', started = 'no', reason = $4, ended_at = now()
     where ${where} and state = 'pending' ${returningChanged}`,
    [...paramsOf(key), STEP_ENDED],
  )
  await appendHostEvents(tx, cancelled.rows)
  await tx.query(
    `insert into step_stop (scope_id, execution_id, step_execution_id)
     select $1, $2, s.id from step_execution s where s.scope_id = $1 and s.id = $3 and (${mayStillRun}
       or exists (select from host_result where ${where} and state in ('dispatched', 'running')))
     on conflict (scope_id, step_execution_id) do update
       set requested_at = clock_timestamp(), stop_order = null, stop_signature = null, stop_key_id = null`,
    paramsOf(key),
  )
  await setStepState(tx, key, 'cancelling', `by ${by}`)
  await setExecutionState(tx, key, 'running')
}

/** The step has its verdict. Only hosts that are away and may still run must be told of the stop when they come back. */
export async function closeEndedStep(tx: Db, key: StepKey): Promise<void> {
  await tx.query(
    'update execution set ending_step = null where scope_id = $1 and id = $2 and ending_step = $3',
    paramsOf(key),
  )
  await tx.query(
    `delete from step_stop t using step_execution s
     where t.scope_id = $1 and t.execution_id = $2 and t.step_execution_id = $3 and s.scope_id = $1 and s.id = $3
       and not (${mayStillRun})`,
    paramsOf(key),
  )
}

/** From now on failures of the step do not end the run, whatever its plan says. */
export async function ignoreFailures(tx: Db, key: StepKey): Promise<void> {
  await tx.query(
    'update step_execution set failure_ignored = true where scope_id = $1 and execution_id = $2 and id = $3',
    paramsOf(key),
  )
}
