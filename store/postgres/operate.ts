/** What operations do to an execution's rows; each in the transaction that also decides the operation. */
import { workflowIdOf } from '../../domain/execution.js'
import type { ExecutionId, HostId, ScopeId } from '../../domain/id.js'
import { isFinalStepState, type StepState } from '../../domain/step-execution.js'
import { appendEvents } from './events.js'
import { listSteps, overrideStepState, setStepState, type StepExecution } from './executions.js'
import { appendHostEvents, type ChangedHost, returningChanged } from './ledger.js'
import type { Db } from './pool.js'
import { stopGivenUp } from './stops.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/**
 * Asks for the end: from now on no gateway sends an order of this execution, and what runs, or may still run on hosts that were
 * given up, is to be stopped.
 */
export async function requestCancel(tx: Db, key: Key): Promise<void> {
  const result = await tx.query(
    `update execution set cancel_requested_at = now(), state = 'cancelling', ${askForStop}
     where scope_id = $1 and id = $2 and cancel_requested_at is null and state not in ('succeeded', 'failed', 'cancelled')`,
    [key.scopeId, key.executionId],
  )
  if (!result.rowCount) return
  await stopGivenUp(tx, key)
  await appendEvents(tx, key.scopeId, key.executionId, [{ type: 'execution', body: { state: 'cancelling' } }])
}

// Neither the API nor a gateway can order a stop: a worker answers with a signed one (stops.ts).
const noStopOrder = 'stop_order = null, stop_signature = null, stop_key_id = null'
const askForStop = `stop_requested_at = now(), ${noStopOrder}`
// A stop that is over must not be sent again by the next hold.
const dropStop = `stop_requested_at = null, ${noStopOrder}`

/** Holds the execution: gateways send nothing new. A hard pause stops what runs, too. */
export async function requestPause(tx: Db, key: Key, hard: boolean): Promise<void> {
  await tx.query(
    `update execution set pause = $3, ${hard ? askForStop : dropStop} where scope_id = $1 and id = $2`,
    [key.scopeId, key.executionId, hard ? 'hard' : 'soft'],
  )
}

export async function clearPause(tx: Db, key: Key): Promise<void> {
  await tx.query(`update execution set pause = null, ${dropStop} where scope_id = $1 and id = $2`, [
    key.scopeId,
    key.executionId,
  ])
}

/** Ends a step without running what is left of it. @param end of the step; its hosts are skipped for the same reason */
export async function skipStep(
  tx: Db,
  key: Key,
  step: Pick<StepExecution, 'id'>,
  end: { state: StepState; reason: string } = { state: 'skipped', reason: 'step_skipped' },
): Promise<void> {
  const skipped = await tx.query<ChangedHost>(
    `update host_result r set state = 'skipped', started = 'no', reason = $4, ended_at = now()
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and state = 'pending' ${returningChanged}`,
    [key.scopeId, key.executionId, step.id, end.reason],
  )
  await appendHostEvents(tx, skipped.rows)
  await overrideStepState(tx, { ...key, stepExecutionId: step.id }, end.state, end.reason)
}

/** Ends every host that was never sent an order: what a cancel leaves of them. */
export async function cancelPendingHosts(tx: Db, key: Key, reason: string): Promise<void> {
  const cancelled = await tx.query<ChangedHost>(
    `update host_result r set state = 'cancelled', started = 'no', reason = $3, ended_at = now()
     where r.scope_id = $1 and r.execution_id = $2 and r.state = 'pending'
       and not exists (select from shard d where d.scope_id = r.scope_id and d.id = r.shard_id and d.closed_at is null)
     ${returningChanged}`,
    [key.scopeId, key.executionId, reason],
  )
  await appendHostEvents(tx, cancelled.rows)
}

/**
 * Ends what a workflow left that was ended from outside: hosts that were sent nothing are cancelled, the others are
 * unknown until their agents tell (the gateways take their word whether a workflow lives or not), and are told to stop.
 */
export async function endStrandedHosts(tx: Db, key: Key): Promise<void> {
  const stranded = await tx.query<ChangedHost>(
    `update host_result r set state = case when state = 'pending' then 'cancelled' else 'unknown' end,
       started = case when state = 'pending' then 'no' else 'maybe' end, reason = 'engine_terminated', ended_at = now()
     where scope_id = $1 and execution_id = $2 and host_state_rank(state) < 3 ${returningChanged}`,
    [key.scopeId, key.executionId],
  )
  await appendHostEvents(tx, stranded.rows)
  await stopGivenUp(tx, key)
  for (const step of await listSteps(tx, key.scopeId, key.executionId)) {
    if (!isFinalStepState(step.state))
      await setStepState(tx, { ...key, stepExecutionId: step.id }, 'cancelled', 'engine_terminated')
  }
}

/**
 * Ends what a host was sent and has not told, in every open execution: its journal can no longer be asked. The executions'
 * own workflows find it ended at their next look.
 */
export async function endUntold(tx: Db, scopeId: ScopeId, hostId: HostId, reason: string): Promise<void> {
  const open = `state not in ('succeeded', 'failed', 'cancelled')`
  await tx.query(
    `select from execution e where scope_id = $1 and ${open} and exists (
       select from host_result r where r.scope_id = e.scope_id and r.execution_id = e.id and r.host_id = $2)
     order by id for no key update`,
    [scopeId, hostId],
  )
  const ended = await tx.query<ChangedHost>(
    `update host_result r set state = 'unknown', started = 'maybe', reason = $3, ended_at = now()
     from execution e where e.scope_id = $1 and e.${open} and r.scope_id = e.scope_id and r.execution_id = e.id
       and r.host_id = $2 and r.state in ('dispatched', 'running') ${returningChanged}`,
    [scopeId, hostId, reason],
  )
  await appendHostEvents(tx, ended.rows)
}

/**
 * Takes an ended execution back to running under a new workflow: the one way out of an end.
 * @returns the id of the workflow to start
 */
export async function reopenExecution(
  tx: Db,
  key: Key,
  scopeName: string,
  continuation: number,
): Promise<string> {
  const recovery = await tx.query<{ tag: string }>('select tag from recovery order by id desc limit 1')
  const workflowId = workflowIdOf(scopeName, key.executionId, continuation, recovery.rows[0]?.tag)
  await tx.query(
    `update execution set state = 'running', reason = null, run_id = null, continuation = $3, workflow_id = $4, ended_at = null, pause = null,
       cancel_requested_at = null, ending_step = null, undo_operation = null, ${dropStop}, expires_at = now() + expires_in_ms * interval '1 ms'
     where scope_id = $1 and id = $2`,
    [key.scopeId, key.executionId, continuation, workflowId],
  )
  await appendEvents(tx, key.scopeId, key.executionId, [
    { type: 'execution', body: { state: 'running', continuation } },
  ])
  return workflowId
}
