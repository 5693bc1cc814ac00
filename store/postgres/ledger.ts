/** The ledger: every host's result, written in batches, moved only forward. */
import type { HostState, Started } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId, ShardId, StepExecutionId } from '../../domain/id.js'
import { appendEvents } from './events.js'
import type { Db } from './pool.js'

/** What was learned of one host's attempt. */
export interface HostUpdate {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  hostId: HostId
  attempt: number
  state: HostState
  started: Started
  /** Epoch of the session that told it: news of an older session changes nothing. */
  epoch: string
  gateway: string
  reason?: string | undefined
  detail?: string | undefined
  exitCode?: number | undefined
  signal?: string | undefined
  startedAgoMs?: number | undefined
  durationMs?: number | undefined
  stdoutBytes?: number | undefined
  stderrBytes?: number | undefined
  outputSha256?: Buffer | undefined
  truncated?: boolean | undefined
}

/** A row that a write changed, as its event tells it. */
export interface ChangedHost {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  hostId: HostId
  state: HostState
  exitCode: number | null
  reason: string | null
  amended: boolean
}

/** What a write to `host_result r` gives back for its events; an amendment says so itself. */
export const returningChanged = `returning r.scope_id as "scopeId", r.execution_id as "executionId",
  r.step_execution_id as "stepExecutionId", r.host_id as "hostId", r.state, r.exit_code as "exitCode", r.reason, false as amended`

// A refusal says that this journal never started it. That is the whole truth only if no other journal can have been asked
// before: the host must not be running, and the journal must be the one that the order was first made for.
const perhapsStarted = `(u.state = 'rejected' and (r.state = 'running'
    or (r.dispatches > 1 and u.reason in ('order_wrong_journal', 'dispatch_id_conflict', 'order_signature_invalid'))))`

const WRITE = `
with news as (
  select * from jsonb_to_recordset($1::jsonb) as u (
    "scopeId" bigint, "executionId" bigint, "stepExecutionId" bigint, "hostId" bigint, attempt int, state text, started text, epoch bigint,
    gateway text, reason text, detail text, "exitCode" int, signal text, "startedAgoMs" float8, "durationMs" float8, "stdoutBytes" float8,
    "stderrBytes" float8, "outputSha256" text, truncated boolean)
), old as (
  select r.scope_id, r.execution_id, r.step_execution_id, r.host_id, r.state
  from news u join host_result r on (r.scope_id, r.execution_id, r.step_execution_id, r.host_id)
    = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
  order by r.execution_id, r.step_execution_id, r.host_id for update of r
)
update host_result r set
  state = case when ${perhapsStarted} then 'unknown' else u.state end,
  started = case when ${perhapsStarted} then 'maybe' else u.started end, reason = u.reason, detail = u.detail, exit_code = u."exitCode", signal = u.signal,
  gateway = u.gateway, epoch = u.epoch, duration_ms = u."durationMs",
  started_at = coalesce(r.started_at, now() - u."startedAgoMs" * interval '1 ms'),
  ended_at = case when host_state_rank(u.state) = 3 then coalesce(r.ended_at, now()) end,
  resolved_at = case when r.state = 'unknown' then now() end,
  stdout_bytes = u."stdoutBytes", stderr_bytes = u."stderrBytes", output_sha256 = decode(u."outputSha256", 'hex'),
  truncated = coalesce(u.truncated, false)
from news u join old on (old.scope_id, old.execution_id, old.step_execution_id, old.host_id)
  = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
where (r.scope_id, r.execution_id, r.step_execution_id, r.host_id) = (u."scopeId", u."executionId", u."stepExecutionId", u."hostId")
  and r.attempt = u.attempt and (r.epoch is null or r.epoch <= u.epoch)
  and (host_state_rank(r.state) < host_state_rank(u.state) or (r.state = 'unknown' and host_state_rank(u.state) = 3 and u.state <> 'unknown'))
returning r.scope_id as "scopeId", r.execution_id as "executionId", r.step_execution_id as "stepExecutionId", r.host_id as "hostId",
  r.state, r.exit_code as "exitCode", r.reason, old.state = 'unknown' as amended`

/**
 * Writes what was learned, with events, in the caller's transaction. News that would move a state back, or that comes
 * from an older attempt or session, changes nothing.
 * @returns how many rows changed
 */
export async function writeHostUpdates(tx: Db, updates: readonly HostUpdate[]): Promise<number> {
  if (!updates.length) return 0
  // Executions are locked in one order by every writer, before their results, so that two batches cannot wait for each other.
  const executionIds = [...new Set(updates.map((update) => update.executionId))]
  await tx.query('select from execution where id = any($1) order by id for no key update', [executionIds])
  const rows = updates.map((update) => ({ ...update, outputSha256: update.outputSha256?.toString('hex') }))
  const result = await tx.query<ChangedHost>(WRITE, [JSON.stringify(rows)])
  await appendHostEvents(tx, result.rows)
  return result.rows.length
}

// An event stays readable and under a page or two: a step of 10,000 hosts is told in many of them.
const CHANGES_PER_EVENT = 500

/** Tells of changed rows, in the transaction that changed them. */
export async function appendHostEvents(tx: Db, changed: readonly ChangedHost[]): Promise<void> {
  const bySteps = new Map<StepExecutionId, ChangedHost[]>()
  for (const row of changed) {
    const rows = bySteps.get(row.stepExecutionId)
    if (rows) rows.push(row)
    else bySteps.set(row.stepExecutionId, [row])
  }
  for (const [stepExecutionId, rows] of bySteps) {
    const [first] = rows
    if (!first) continue
    for (let i = 0; i < rows.length; i += CHANGES_PER_EVENT) {
      const changes = rows
        .slice(i, i + CHANGES_PER_EVENT)
        .map(({ hostId, state, exitCode, reason, amended }) => ({
          hostId,
          state,
          ...(exitCode === null ? {} : { exitCode }),
          ...(reason === null ? {} : { reason }),
          ...(amended ? { amended } : {}),
        }))
      await appendEvents(tx, first.scopeId, first.executionId, [
        { type: 'hosts', body: { stepExecutionId, changes } },
      ])
    }
  }
}

/**
 * Marks hosts of a shard as dispatched, just before their orders are sent, unless the execution is cancelled, paused or
 * over: one statement, so that no order leaves after a cancel was accepted. A host that was sent its order before may be
 * asked again after the execution's time: its agent answers with what became of it, and starts nothing then.
 * @returns the hosts that may be sent their order
 */
export async function markDispatched(
  db: Db,
  shard: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId; shardId: ShardId },
  hosts: readonly { hostId: HostId; epoch: string }[],
  gateway: string,
): Promise<Set<HostId>> {
  const result = await db.query<{ hostId: HostId }>(
    `with allowed as (
       select id, expires_at from execution where scope_id = $1 and id = $2 and cancel_requested_at is null and pause is null
         and state in ('running', 'waiting') for share)
     update host_result r set state = case when r.state = 'pending' then 'dispatched' else r.state end,
       started = case when r.state = 'pending' then 'no' else r.started end, dispatches = r.dispatches + 1,
       dispatched_at = coalesce(r.dispatched_at, now()), gateway = $6, epoch = greatest(r.epoch, h.epoch)
     from allowed, unnest($5::bigint[], $7::bigint[]) as h (id, epoch)
     where r.scope_id = $1 and r.execution_id = allowed.id and r.step_execution_id = $3 and r.shard_id = $4 and r.host_id = h.id
       and host_state_rank(r.state) < 3 and (r.state <> 'pending' or allowed.expires_at > now())
       and exists (select from host where host.scope_id = $1 and host.id = r.host_id and host.state = 'active')
     returning r.host_id as "hostId"`,
    [
      shard.scopeId,
      shard.executionId,
      shard.stepExecutionId,
      shard.shardId,
      hosts.map((host) => host.hostId),
      gateway,
      hosts.map((host) => host.epoch),
    ],
  )
  return new Set(result.rows.map((row) => row.hostId))
}

/** Ends hosts by decision of the control plane rather than by an agent's word. */
export async function endHosts(
  tx: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  ends: readonly { hostId: HostId; attempt: number; state: HostState; started: Started; reason: string }[],
): Promise<void> {
  if (!ends.length) return
  const result = await tx.query<ChangedHost>(
    `update host_result r set state = u.state, started = u.started, reason = u.reason, ended_at = now()
     from unnest($4::bigint[], $5::int[], $6::text[], $7::text[], $8::text[]) as u (host_id, attempt, state, started, reason)
     where r.scope_id = $1 and r.execution_id = $2 and r.step_execution_id = $3 and r.host_id = u.host_id and r.attempt = u.attempt
       and host_state_rank(r.state) < 3
     ${returningChanged}`,
    [
      step.scopeId,
      step.executionId,
      step.stepExecutionId,
      ends.map((end) => end.hostId),
      ends.map((end) => end.attempt),
      ends.map((end) => end.state),
      ends.map((end) => end.started),
      ends.map((end) => end.reason),
    ],
  )
  await appendHostEvents(tx, result.rows)
}

/** Of these attempts (`step/host/attempt`), those that the ledger holds an end of, or has replaced by a later attempt. */
export async function findSettled(db: Db, updates: readonly HostUpdate[]): Promise<Set<string>> {
  const result = await db.query<{ key: string }>(
    `select u.step_id || '/' || u.host_id || '/' || u.attempt as key
     from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[]) as u (scope_id, execution_id, step_id, host_id, attempt)
     join host_result r on (r.scope_id, r.execution_id, r.step_execution_id, r.host_id) = (u.scope_id, u.execution_id, u.step_id, u.host_id)
     where r.attempt > u.attempt or (r.attempt = u.attempt and host_state_rank(r.state) = 3)`,
    [
      updates.map((update) => update.scopeId),
      updates.map((update) => update.executionId),
      updates.map((update) => update.stepExecutionId),
      updates.map((update) => update.hostId),
      updates.map((update) => update.attempt),
    ],
  )
  return new Set(result.rows.map((row) => row.key))
}
