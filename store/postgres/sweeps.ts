/** What the one sweeper looks for: work that a crash left half done, and what is old. */
import type { ExecutionState } from '../../domain/execution.js'
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import type { OperationArgs, OperationKind } from '../../domain/operation.js'
import { type Db, one, type Pool } from './pool.js'
import { transaction } from './transaction.js'

// Any constant, the same in every worker: whoever holds it sweeps.
const SWEEPER_LOCK = 0x73776570

// Without an answer from the engine one sweep may take this long. A worker that is frozen or cut off loses the lock then,
// and another one sweeps beside it, which costs nothing but work: each mending looks at the row again.
const SWEEP_LIMIT = '60s'

/**
 * Runs `sweep` if no other process is sweeping. The lock belongs to a transaction, so that no connection can take it back
 * into the pool, or hold it after its process is gone.
 * @returns whether it ran
 */
export function asSweeper(pool: Pool, sweep: () => Promise<void>): Promise<boolean> {
  return transaction(pool, async (tx) => {
    const { locked } = one(
      await tx.query<{ locked: boolean }>('select pg_try_advisory_xact_lock($1) as locked', [SWEEPER_LOCK]),
    )
    if (!locked) return false
    await tx.query(`set local idle_in_transaction_session_timeout = '${SWEEP_LIMIT}'`)
    await sweep()
    return true
  })
}

export interface OpenExecution {
  scopeId: ScopeId
  scopeName: string
  id: ExecutionId
  name: string
  hosts: number
  launchedBy: string
  trigger: string
  workflowId: string
  claimed: boolean
  /** First Temporal run of the chain that claimed it. */
  runId: string | null
  /** A cancel was written long enough ago that its workflow should have looked. */
  cancelIsOld: boolean
}

/**
 * Executions without an end that somebody should carry, oldest first; those younger than 3 s are left to whoever launched
 * them, those that are held after a recovery to a person.
 */
export async function listOpenExecutions(
  db: Db,
  page: { after: string; limit: number },
): Promise<OpenExecution[]> {
  const result = await db.query<OpenExecution>(
    `select e.scope_id as "scopeId", s.name as "scopeName", e.id, e.name, e.hosts, p.name as "launchedBy", e.trigger,
       e.workflow_id as "workflowId", e.run_id is not null as claimed, e.run_id as "runId",
       coalesce(e.cancel_requested_at < now() - interval '3 seconds', false) as "cancelIsOld"
     from execution e join scope s on s.id = e.scope_id join principal p on p.id = e.launched_by
     where e.state not in ('succeeded', 'failed', 'cancelled') and not (e.state = 'paused' and coalesce(e.reason, '') = 'recovered')
       and e.id > $1 and e.created_at < now() - interval '3 seconds'
     order by e.id limit $2`,
    [page.after, page.limit],
  )
  return result.rows
}

/** Operations that nobody has decided within 30 s: whoever was to ask the workflow has died. */
export async function listForgottenOperations(
  db: Db,
): Promise<{ scopeId: ScopeId; executionId: ExecutionId; id: string }[]> {
  const result = await db.query<{ scopeId: ScopeId; executionId: ExecutionId; id: string }>(
    `select scope_id as "scopeId", execution_id as "executionId", id from operation
     where state = 'requested' and created_at < now() - interval '30 seconds' order by created_at limit 200`,
  )
  return result.rows
}

/** An operation that is in the rows, and that its workflow may not know of. */
export interface UntoldOperation {
  scopeId: ScopeId
  id: string
  kind: OperationKind
  args: OperationArgs
  workflowId: string
  executionState: ExecutionState
}

/**
 * Operations that were accepted 5 s ago and more, and that no workflow was seen to know of; some of them, so that a few that
 * nobody answers keep no others from being told. A cancel is none of them: who looks after open executions tells of it.
 */
export async function listUntoldOperations(db: Db): Promise<UntoldOperation[]> {
  const result = await db.query<UntoldOperation>(
    `select o.scope_id as "scopeId", o.id, o.kind, o.args, e.workflow_id as "workflowId", e.state as "executionState"
     from operation o join execution e on e.scope_id = o.scope_id and e.id = o.execution_id
     where o.state = 'accepted' and o.told_at is null and o.decided_at < now() - interval '5 seconds' and o.kind <> 'cancel'
     order by random() limit 20`,
  )
  return result.rows
}

/** Executions of one partition. */
const PARTITION_SPAN = 100_000n

/** Makes the partitions that the next executions will need; safe to repeat. */
export async function ensurePartitions(db: Db): Promise<void> {
  // The sequence, not the newest row: a recovery moves ids far ahead.
  const { last: drawn } = one(
    await db.query<{ last: string }>(
      `select coalesce(pg_sequence_last_value(pg_get_serial_sequence('execution', 'id')::regclass), 0) as last`,
    ),
  )
  const last = BigInt(drawn)
  const first = last / PARTITION_SPAN
  for (const number of [first, first + 1n]) {
    const [from, to] = [number * PARTITION_SPAN, (number + 1n) * PARTITION_SPAN]
    for (const table of ['host_result', 'host_attempt', 'event']) {
      // Each result is written three times on average: room on its page keeps the rewrites there.
      const room = table === 'host_result' ? 'with (fillfactor = 70)' : ''
      await db.query(
        `create table if not exists ${table}_${number} partition of ${table} for values from (${from}) to (${to}) ${room}`,
      )
    }
  }
}

/**
 * Forgets answers of idempotency keys after a week, answered certificate requests after a day, and what was sealed to the hosts
 * of a run once it has ended.
 */
export async function removeStale(db: Db): Promise<void> {
  await db.query(`delete from idempotency where created_at < now() - interval '7 days'`)
  await db.query(`delete from certificate_request where answered_at < now() - interval '1 day'`)
  await db.query(
    `update shard d set secrets = null from execution e
     where d.secrets is not null and e.scope_id = d.scope_id and e.id = d.execution_id and e.state in ('succeeded', 'failed', 'cancelled')`,
  )
}

/** Of these ids of workflows, those that a run's row names. */
export async function listWorkflowIds(db: Db, workflowIds: readonly string[]): Promise<string[]> {
  const result = await db.query<{ id: string }>(
    'select workflow_id as id from execution where workflow_id = any($1)',
    [workflowIds],
  )
  return result.rows.map((row) => row.id)
}
