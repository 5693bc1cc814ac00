/** Stops: executions and steps whose running scripts are to be stopped, and the signed order that workers answer with. */
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { STEP_ENDED } from '../../domain/step-execution.js'
import { RUN_UNDONE } from '../../domain/undo.js'
import { readClock } from './executions.js'
import type { Db } from './pool.js'

export interface StopRequest {
  scopeId: ScopeId
  executionId: ExecutionId
  requestedAt: Date
  /** Later than every order of the execution that was signed before: both are timed under its row's lock. */
  issuedAt: Date
  reason: 'cancelled_by_operator' | 'paused_hard' | typeof STEP_ENDED | typeof RUN_UNDONE
  /** Left out: of the whole execution. */
  stepExecutionId?: StepExecutionId
}

/** SQL, whether a step `s` has attempts that may still run although their hosts were given up. */
export const mayStillRun = ['host_result', 'host_attempt']
  .map(
    (
      table,
    ) => `exists (select from ${table} r where r.scope_id = s.scope_id and r.execution_id = s.execution_id
      and r.step_execution_id = s.id and r.state = 'unknown' and may_still_run(r.state, r.reason))`,
  )
  .join(' or ')

/**
 * Asks for a stop of every attempt that may still run although its host was given up: it is told when the host comes back,
 * whatever has become of the run by then. The execution must be locked. @param of left out: all steps
 */
export async function stopGivenUp(
  tx: Db,
  { scopeId, executionId }: { scopeId: ScopeId; executionId: ExecutionId },
  of: { undo?: false } = {},
): Promise<void> {
  await tx.query(
    `insert into step_stop (scope_id, execution_id, step_execution_id)
     select s.scope_id, s.execution_id, s.id from step_execution s
     where s.scope_id = $1 and s.execution_id = $2 and (s.undoes is null or $3) and (${mayStillRun})
     on conflict (scope_id, step_execution_id) do update
       set requested_at = clock_timestamp(), stop_order = null, stop_signature = null, stop_key_id = null`,
    [scopeId, executionId, of.undo !== false],
  )
}

/**
 * Takes requests that have no order yet; other workers skip them until the transaction ends. One whose execution is just
 * being changed is left to the next look.
 */
export async function takeStopRequests(tx: Db, limit: number): Promise<StopRequest[]> {
  const result = await tx.query<Omit<StopRequest, 'issuedAt'>>(
    `select scope_id as "scopeId", id as "executionId", stop_requested_at as "requestedAt",
       case when cancel_requested_at is null then 'paused_hard' else 'cancelled_by_operator' end as reason
     from execution where stop_requested_at is not null and stop_order is null order by stop_requested_at limit $1
     for no key update skip locked`,
    [limit],
  )
  const steps = await tx.query<Omit<StopRequest, 'issuedAt'>>(
    `select t.scope_id as "scopeId", t.execution_id as "executionId", t.step_execution_id as "stepExecutionId",
       t.requested_at as "requestedAt",
       case when e.cancel_requested_at is not null then 'cancelled_by_operator'
         when s.undoes is null and exists (select from step_execution u where u.scope_id = e.scope_id and u.execution_id = e.id
           and u.undoes is not null) then $3::text else $2::text end as reason
     from step_stop t join execution e on e.scope_id = t.scope_id and e.id = t.execution_id
     join step_execution s on s.scope_id = t.scope_id and s.id = t.step_execution_id
     where t.stop_order is null order by t.requested_at limit $1 for no key update of t, e skip locked`,
    [limit, STEP_ENDED, RUN_UNDONE],
  )
  const rows = [...result.rows, ...steps.rows]
  if (!rows.length) return []
  const issuedAt = await readClock(tx)
  return rows.map((row) => ({ ...row, issuedAt }))
}

export async function answerStopRequest(
  tx: Db,
  request: StopRequest,
  signed: { order: Buffer; signature: Buffer; keyId: string },
): Promise<void> {
  const { scopeId, executionId, stepExecutionId } = request
  const [row, id] = stepExecutionId ? ['step_stop', 'step_execution_id'] : ['execution', 'id']
  await tx.query(
    `update ${row} set stop_order = $3, stop_signature = $4, stop_key_id = $5 where scope_id = $1 and ${id} = $2`,
    [scopeId, stepExecutionId ?? executionId, signed.order, signed.signature, signed.keyId],
  )
}

/** A task that is to stop and may still run. */
export interface StrandedTask {
  scopeId: ScopeId
  executionId: ExecutionId
  outputDay: string
  hostId: HostId
  stepExecutionId: StepExecutionId
  attempt: number
  /** The journal that its order was made for: another one knows nothing of it. */
  journalId: string | null
  stopOrder: Buffer
  stopSignature: Buffer
  stopKeyId: string
  expiresAt: Date
}

/**
 * Tasks on these hosts that are to stop and may still run, whose stop has been signed: of executions that are being cancelled or
 * were paused hard, of steps that an operator has ended, and what hosts that were given up may still run of a run that is not
 * wanted any more.
 */
export async function listStrandedTasks(db: Db, hostIds: readonly HostId[]): Promise<StrandedTask[]> {
  const result = await db.query<StrandedTask>(
    `select * from (
       select e.scope_id as "scopeId", e.id as "executionId", e.output_day as "outputDay", r.host_id as "hostId",
         r.step_execution_id as "stepExecutionId", r.attempt, r.journal_id as "journalId", e.stop_order as "stopOrder",
         e.stop_signature as "stopSignature", e.stop_key_id as "stopKeyId", e.expires_at as "expiresAt"
       from execution e join host_result r on r.scope_id = e.scope_id and r.execution_id = e.id
       where e.state not in ('succeeded', 'failed', 'cancelled') and e.stop_order is not null
         and r.state in ('dispatched', 'running') and r.host_id = any($1)
       union all
       select scope_id, execution_id, output_day, host_id, step_execution_id, attempt, journal_id, stop_order, stop_signature,
         stop_key_id, expires_at
       from step_stop_task where stop_order is not null and host_id = any($1)) task
     order by random() limit 1000`,
    [hostIds],
  )
  return result.rows
}
