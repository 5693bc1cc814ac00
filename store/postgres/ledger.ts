/** The ledger: every host's result, written in batches, moved only forward. */
import { type HostState, isFinalHostState, type Started } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId, ShardId, StepExecutionId } from '../../domain/id.js'
import { type Db, one } from './pool.js'
import type { StoredValue } from './variables.js'

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
  /** By what output is compared after normalising; none from agents that do not normalise. */
  normalisedSha256?: Buffer | undefined
  truncated?: boolean | undefined
  /** What the script said its outcome is called. */
  tag?: string | undefined
  /** Variables that it set. */
  values?: readonly StoredValue[] | undefined
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

/**
 * Writes what was learned, with events. News that would move a state back, or that comes from an older attempt or from a
 * session that is not its host's newest, changes nothing; but an `unknown` end of an attempt that a later one has replaced
 * becomes the one that the journal tells, and a journal that knows no end either says so. All of it or nothing, in one statement:
 * each part sees what the one before it wrote.
 * @returns how many rows changed
 */
export async function writeHostUpdates(db: Db, updates: readonly HostUpdate[]): Promise<number> {
  const ends = updates.filter(({ state }) => isFinalHostState(state))
  const endless = ends.filter(({ state }) => state === 'unknown' || state === 'rejected')
  const result = await db.query<{ n: string }>(
    `with news as (select write_host_news($1) as n),
     said as (select n, case when $2::jsonb is not null then write_host_said($2)::text end from news)
     select n + case when $3::jsonb is null then 0 else amend_attempts($3) end
       + case when $4::jsonb is null then 0 else confirm_unknown($4) end as n from said`,
    [newsOf(updates), saidOf(updates), ...[ends, endless].map((some) => (some.length ? newsOf(some) : null))],
  )
  return Number(one(result).n)
}

/** Updates as JSON, as the functions in the database take them. */
function newsOf(updates: readonly HostUpdate[]): string {
  const rows = updates.map(({ tag: _tag, values: _values, ...update }) => ({
    ...update,
    outputSha256: update.outputSha256?.toString('hex'),
    normalisedSha256: update.normalisedSha256?.toString('hex'),
  }))
  return JSON.stringify(rows)
}

/** What scripts said of themselves, for the ends that stand in the ledger by then; null where none said anything. */
function saidOf(updates: readonly HostUpdate[]): string | null {
  const said = updates.filter(({ tag, values }) => tag !== undefined || values !== undefined)
  if (!said.length) return null
  const rows = said.map(
    ({ scopeId, executionId, stepExecutionId, hostId, attempt, epoch, gateway, tag, values = [] }) => ({
      scopeId,
      executionId,
      stepExecutionId,
      hostId,
      attempt,
      epoch,
      gateway,
      tag,
      values: values.map(({ name, items }) => ({
        name,
        items: items.map((item) => item.toString('base64')),
      })),
    }),
  )
  return JSON.stringify(rows)
}

/** Tells of changed rows, in the transaction that changed them. */
export async function appendHostEvents(tx: Db, changed: readonly ChangedHost[]): Promise<void> {
  if (changed.length) await tx.query('select append_host_events($1)', [JSON.stringify(changed)])
}

/**
 * Marks hosts of a shard as dispatched, just before their orders are sent; none after a cancel or pause was accepted.
 * @returns the hosts that may be sent their order
 */
export async function markDispatched(
  db: Db,
  shard: { shardId: ShardId },
  hosts: readonly { hostId: HostId; epoch: string }[],
  gateway: string,
): Promise<Set<HostId>> {
  const result = await db.query<{ hostId: HostId }>('select mark_dispatched($1, $2, $3, $4) as "hostId"', [
    shard.shardId,
    gateway,
    hosts.map((host) => host.hostId),
    hosts.map((host) => host.epoch),
  ])
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
