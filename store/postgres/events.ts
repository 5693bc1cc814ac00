/** Events: what happened to an execution, numbered without gaps under its row's lock. */
import type { ExecutionState } from '../../domain/execution.js'
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

/**
 * The end of a statement that tells of its own change with one event: both are done in one round trip. Before it stands
 * `with numbered as (…)`, which gives the event's `seq` where there is something to tell; $1 and $2 are scope and execution.
 * @param body SQL of the event's body, from the columns of `numbered`
 */
export const tellNumbered = (type: EventType, body: string) => `
     told as (
       insert into event (scope_id, execution_id, seq, at, type, body)
       select $1, $2::bigint, seq, clock_timestamp(), '${type}', jsonb_strip_nulls(${body}) from numbered)
     select pg_notify('drover_executions', $2::bigint::text) from numbered`

/** Where an execution stands, and its events after a number. */
export interface EventPage {
  state: ExecutionState
  /** Number of its newest event. */
  lastSeq: string
  /** In order. */
  events: ExecutionEvent[]
}

/** Both are of one moment; undefined if there is no such execution. */
export async function readEvents(
  db: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  page: { after: string; limit: number },
): Promise<EventPage | undefined> {
  const result = await db.query<
    Omit<EventPage, 'events'> & { [K in keyof ExecutionEvent]: ExecutionEvent[K] | null }
  >(
    `select e.state, (e.next_seq - 1)::text as "lastSeq", v.* from execution e
     left join (select seq, at, type, body from event
       where scope_id = $1 and execution_id = $2 and seq > $3 order by seq limit $4) v on true
     where e.scope_id = $1 and e.id = $2 order by v.seq`,
    [scopeId, executionId, page.after, page.limit],
  )
  const [first] = result.rows
  if (!first) return undefined
  const events = result.rows.flatMap(({ seq, at, type, body }) =>
    seq && at && type && body ? { seq, at, type, body } : [],
  )
  return { state: first.state, lastSeq: first.lastSeq, events }
}
