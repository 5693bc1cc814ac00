/** Stops: executions whose running scripts are to be stopped, and the signed order that workers answer with. */
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface StopRequest {
  scopeId: ScopeId
  executionId: ExecutionId
  requestedAt: Date
  reason: 'cancelled_by_operator' | 'paused_hard'
}

/** Takes requests that have no order yet; other workers skip them until the transaction ends. */
export async function takeStopRequests(tx: Db, limit: number): Promise<StopRequest[]> {
  const result = await tx.query<StopRequest>(
    `select scope_id as "scopeId", id as "executionId", stop_requested_at as "requestedAt",
       case when cancel_requested_at is null then 'paused_hard' else 'cancelled_by_operator' end as reason
     from execution where stop_requested_at is not null and stop_order is null order by stop_requested_at limit $1
     for no key update skip locked`,
    [limit],
  )
  return result.rows
}

export async function answerStopRequest(
  tx: Db,
  request: StopRequest,
  signed: { order: Buffer; signature: Buffer; keyId: string },
): Promise<void> {
  await tx.query(
    'update execution set stop_order = $3, stop_signature = $4, stop_key_id = $5 where scope_id = $1 and id = $2',
    [request.scopeId, request.executionId, signed.order, signed.signature, signed.keyId],
  )
}
