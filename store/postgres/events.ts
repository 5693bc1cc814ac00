/** Events: what happened to an execution, numbered without gaps under its row's lock. */
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export type EventType = 'execution' | 'step' | 'hosts' | 'batch' | 'operation' | 'output' | 'note'

export interface ExecutionEvent {
  seq: string
  at: Date
  type: EventType
  body: Record<string, unknown>
}

/**
 * Appends events; must be called in the transaction of what they tell of. The row's lock orders them, so that whoever
 * has read up to a number has missed nothing before it. Whoever watches gets a hint with the commit.
 */
export async function appendEvents(
  tx: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  events: readonly { type: EventType; body: Record<string, unknown> }[],
): Promise<void> {
  if (!events.length) return
  await tx.query(
    `with taken as (
       update execution set next_seq = next_seq + $3 where scope_id = $1 and id = $2::bigint returning next_seq - $3 as first),
     added as (
       insert into event (scope_id, execution_id, seq, at, type, body)
       select $1, $2::bigint, taken.first + e.n - 1, clock_timestamp(), e.type, e.body
       from taken, unnest($4::text[], $5::jsonb[]) with ordinality as e (type, body, n))
     select pg_notify('drover_executions', $2::bigint::text)`,
    [
      scopeId,
      executionId,
      events.length,
      events.map((event) => event.type),
      events.map((event) => JSON.stringify(event.body)),
    ],
  )
}

/** Events after a number, in order. */
export async function listEvents(
  db: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  page: { after: string; limit: number },
): Promise<ExecutionEvent[]> {
  const result = await db.query<ExecutionEvent>(
    'select seq, at, type, body from event where scope_id = $1 and execution_id = $2 and seq > $3 order by seq limit $4',
    [scopeId, executionId, page.after, page.limit],
  )
  return result.rows
}
