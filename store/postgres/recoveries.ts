/** Recoveries: the database was put back to an older state, so what it says of open runs is held until a person has looked. */
import { randomBytes } from 'node:crypto'
import type { ExecutionId, PrincipalId, ScopeId } from '../../domain/id.js'
import { sendHint } from './hints.js'
import { holdExecution } from './held-runs.js'
import { type Db, one } from './pool.js'
import { firstScope } from './scopes.js'
import { ensurePartitions } from './sweeps.js'

/** How it was found: a worker's own beat, a finished workflow; or an operator said so. */
export type RecoveryCause = 'beat' | 'engine' | 'operator'

export interface Recovery {
  id: string
  tag: string
  cause: RecoveryCause
  name: string | null
  detail: Record<string, unknown>
  /** How many runs were held. */
  held: number
  at: Date
  /** Null while workflows that the ledger knows no more may still be open. */
  engineSweptAt: Date | null
  endedWorkflows: string[]
}

const columns = `id, tag, cause, name, detail, held, at, engine_swept_at as "engineSweptAt",
  ended_workflows as "endedWorkflows"`

export interface RecoveryRequest {
  cause: RecoveryCause
  /** What showed it; for people. */
  detail: Record<string, unknown>
  /** The operator's word for a planned restore: a second request by the same word does nothing. */
  name?: string
  /** When that was true which the database has forgotten: a recovery of later has dealt with it. */
  since?: Date
}

// Any constant, the same in every process: one recovers at a time.
const RECOVERY_LOCK = 0x7265636f

/**
 * Ids are never given out twice, or agents, workflows and outputs of the forgotten time would be taken for those of new
 * runs. How many were given out nobody can tell; so ids go on from a number that grows with the time of day, which a
 * second restore of the same copy cannot meet again, and at least this far ahead. By table: a gap, and ids a second since 2026.
 */
const SEQUENCES = [
  { name: `pg_get_serial_sequence('execution', 'id')`, gap: 1_000_000, rate: 10 },
  { name: `pg_get_serial_sequence('step_execution', 'id')`, gap: 10_000_000, rate: 100 },
  { name: `pg_get_serial_sequence('shard', 'id')`, gap: 100_000_000, rate: 1_000 },
  { name: `pg_get_serial_sequence('host', 'id')`, gap: 1_000_000, rate: 1 },
  { name: `pg_get_serial_sequence('agent_upgrade', 'id')`, gap: 1_000_000, rate: 10 },
  { name: `'session_epoch'`, gap: 1_000_000_000, rate: 10_000 },
]

/**
 * Holds every run without an end as `paused: recovered`, moves the ids ahead, and holds new launches until it is released.
 * All of it in the caller's transaction, which waits for launches that are being written, and lets new ones wait.
 * @returns undefined if it was done already: under this name, or after `since`
 */
export async function recoverLedger(tx: Db, request: RecoveryRequest): Promise<Recovery | undefined> {
  await tx.query('select pg_advisory_xact_lock($1)', [RECOVERY_LOCK])
  const done = await tx.query('select from recovery where name = $1 or at >= $2', [
    request.name ?? null,
    request.since ?? null,
  ])
  if (done.rowCount) return undefined
  // A launch, or a run that is taken up again, is either seen below, with the ids of before, or sees this recovery and is held.
  // The strongest lock that lets readers through, and before any other: who holds a row is waited for, not met in the middle, and
  // no launch is given an id before the partitions for it are there.
  await tx.query('lock table execution in exclusive mode')
  // A database of another machine may have another clock: what is told of before this moment must all be before it.
  const { id: scopeId } = await firstScope(tx)
  const tag = randomBytes(4).toString('hex')
  await advanceSequences(tx)
  await ensurePartitions(tx)
  const open = await tx.query<{ scopeId: ScopeId; scopeName: string; executionId: ExecutionId }>(
    `select e.scope_id as "scopeId", s.name as "scopeName", e.id as "executionId" from execution e join scope s on s.id = e.scope_id
     where e.state not in ('succeeded', 'failed', 'cancelled') order by e.id for no key update of e`,
  )
  for (const { scopeName, ...key } of open.rows) await holdExecution(tx, key, scopeName, tag)
  const made = await tx.query<Recovery>(
    `insert into recovery (scope_id, tag, cause, name, detail, held, at)
     values ($1, $2, $3, $4, $5, $6, greatest(clock_timestamp(), $7::timestamptz + interval '5 seconds')) returning ${columns}`,
    [
      scopeId,
      tag,
      request.cause,
      request.name ?? null,
      request.detail,
      open.rows.length,
      request.since ?? null,
    ],
  )
  await sendHint(tx, 'flags', '')
  return one(made)
}

async function advanceSequences(tx: Db): Promise<void> {
  for (const { name, gap, rate } of SEQUENCES) {
    await tx.query(
      `select setval(${name}, greatest(nextval(${name}) + $1::bigint, (extract(epoch from now() - '2026-01-01 00:00+00') * $2)::bigint))`,
      [gap, rate],
    )
  }
}

/** A recovery as one scope sees it. */
export interface ScopeRecovery extends Pick<Recovery, 'id' | 'cause' | 'name' | 'at'> {
  /** Since when new launches of the scope are not held for it any more. */
  releasedAt: Date | null
  /** Workflows of the scope's runs that were ended because the ledger knew them no more. */
  endedWorkflows: string[]
}

/** The newest ones first. */
export async function listRecoveries(
  db: Db,
  scope: { id: ScopeId; name: string },
  limit: number,
): Promise<ScopeRecovery[]> {
  const result = await db.query<ScopeRecovery>(
    `select r.id, r.cause, r.name, r.at, l.released_at as "releasedAt",
       coalesce((select jsonb_agg(w) from jsonb_array_elements_text(r.ended_workflows) as w where starts_with(w, $2)), '[]') as "endedWorkflows"
     from recovery r left join recovery_release l on l.scope_id = $1 and l.recovery_id = r.id order by r.id desc limit $3`,
    [scope.id, `execution/${scope.name}/`, limit],
  )
  return result.rows
}

/** Lets new launches of a scope run again; runs that are held stay so, each until it is resumed or cancelled. */
export async function releaseLaunches(tx: Db, scopeId: ScopeId, principalId: PrincipalId): Promise<void> {
  await tx.query(
    `insert into recovery_release (scope_id, recovery_id, released_by) select $1, id, $2 from recovery on conflict do nothing`,
    [scopeId, principalId],
  )
}

/** Recoveries whose workflows are still to be looked through, made long enough ago that the engine lists all of them. */
export async function listUnsweptRecoveries(db: Db): Promise<Recovery[]> {
  const result = await db.query<Recovery>(
    `select ${columns} from recovery where engine_swept_at is null and at < now() - interval '3 seconds' order by id`,
  )
  return result.rows
}

/** Notes which workflows were ended because the ledger knew them no more. */
export async function writeSwept(db: Db, id: string, ended: readonly string[]): Promise<void> {
  await db.query('update recovery set engine_swept_at = now(), ended_workflows = $2 where id = $1', [
    id,
    JSON.stringify(ended.slice(0, 1_000)),
  ])
}
