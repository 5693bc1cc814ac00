/** Shards: which hosts are ready for which gateway, and the orders that go to them. */
import type { ExecutionId, HostId, ScopeId, ShardId, StepExecutionId } from '../../domain/id.js'
import type { HostState } from '../../domain/host-result.js'
import { liveSession } from './hosts.js'
import { type Db, one } from './pool.js'

/** A host of a step without an end, that no open shard holds. */
export interface OpenHost {
  hostId: HostId
  hostName: string
  attempt: number
  /** Hex, of what this attempt runs; null: what the plan says. */
  scriptSha256: string | null
  state: HostState
  /** The journal that this attempt's order was first made for. */
  journalId: string | null
  hostState: 'active' | 'quarantined' | 'revoked'
  hostStateReason: string | null
  hostJournalId: string | null
  /** The gateway that holds its session now. */
  gateway: string | null
  /** Since when it has had none, ms; 0 if it has one. */
  awayMs: number
  /** It may still run something of this execution that it is told to stop, and can tell the end of. */
  isStopping: boolean
}

// How long agents have had a door to knock at, s: while no gateway was up, or the database that gateways tell of sessions
// was away, no host can be said to have been away.
const openFor = `(select extract(epoch from now() - min(o.alive_since)) from gateway o
           where o.last_seen_at > now() - interval '10 seconds' and not o.draining)`

/** Open hosts of a step in target order. */
export async function listOpenHosts(
  db: Db,
  step: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
): Promise<OpenHost[]> {
  const result = await db.query<OpenHost>(
    `select r.host_id as "hostId", r.host_name as "hostName", r.attempt, encode(r.script_sha256, 'hex') as "scriptSha256", r.state, r.journal_id as "journalId", h.state as "hostState",
       h.state_reason as "hostStateReason",
       h.journal_id as "hostJournalId", case when ${liveSession} and not coalesce(g.draining, true) then s.gateway end as gateway,
       case when ${liveSession} then 0 else coalesce(least(
         extract(epoch from now() - coalesce(greatest(h.last_seen_at, s.disconnected_at,
           case when s.disconnected_at is null and g.boot_id = s.gateway_boot then g.last_seen_at end), h.created_at)),
         ${openFor}), 0) * 1000 end::float8 as "awayMs",
       coalesce((r.host_id, h.journal_id) in (
         select host_id, journal_id from step_stop_task where scope_id = $1 and execution_id = $2), false) as "isStopping"
     from host_result r
     join host h on h.scope_id = r.scope_id and h.id = r.host_id
     left join agent_session s on s.scope_id = r.scope_id and s.host_id = r.host_id
     left join gateway g on g.name = s.gateway
     where r.scope_id = $1 and r.execution_id = $2 and r.step_execution_id = $3 and r.state in ('pending', 'dispatched', 'running')
       and not exists (select from shard d where d.scope_id = r.scope_id and d.id = r.shard_id and d.closed_at is null)
     order by r.position`,
    [step.scopeId, step.executionId, step.stepExecutionId],
  )
  return result.rows
}

export interface NewShard {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  gateway: string
  /** Its share of the step's limit, until other shards leave places free. */
  hostLimit: number
  hostIds: HostId[]
  journalIds: string[]
  orders: Buffer[]
  signatures: Buffer[]
  keyId: string
  spec: Buffer
  /** What is sealed for each host; undefined where its step has no secrets, empty for a host that is only asked. */
  secrets?: Buffer[] | undefined
}

/** Writes a shard and gives its hosts to it. */
export async function insertShard(tx: Db, shard: NewShard): Promise<ShardId> {
  const made = await tx.query<{ id: ShardId }>(
    `with made as (
       insert into shard (scope_id, execution_id, step_execution_id, gateway, host_limit, host_ids, orders, signatures, key_id, spec, secrets)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id),
     given as (
       update host_result r set shard_id = made.id, journal_id = h.journal_id
       from made, unnest($6::bigint[], $12::text[]) as h (id, journal_id)
       where r.scope_id = $1 and r.execution_id = $2 and r.step_execution_id = $3 and r.host_id = h.id)
     select id from made`,
    [
      shard.scopeId,
      shard.executionId,
      shard.stepExecutionId,
      shard.gateway,
      shard.hostLimit,
      shard.hostIds,
      shard.orders,
      shard.signatures,
      shard.keyId,
      shard.spec,
      shard.secrets ?? null,
      shard.journalIds,
    ],
  )
  return one(made).id
}

/**
 * Parts of a statement that end a step's shards but those of $3, so that hosts of theirs without an end can be given to others.
 * They are taken from the shard at once: a gateway that stalled and still carries it may send nothing more of it.
 * @param where SQL, when; $1 and $2 are scope and step
 */
export const closingShards = (where: string) => `closed as (
       update shard set closed_at = now(), secrets = null
       where scope_id = $1 and step_execution_id = $2 and closed_at is null and not (id = any($3)) and ${where}
       returning id, execution_id),
     freed as (
       update host_result r set shard_id = null from closed
       where r.scope_id = $1 and r.execution_id = closed.execution_id and r.step_execution_id = $2 and r.shard_id = closed.id
         and host_state_rank(r.state) < 3)`

/** Ends all shards of a step. */
export async function closeShards(
  db: Db,
  step: { scopeId: ScopeId; stepExecutionId: StepExecutionId },
): Promise<void> {
  await db.query(`with ${closingShards('true')} select`, [step.scopeId, step.stepExecutionId, []])
}

/**
 * What a step's open shards may still have under way at once, of its concurrency: no more than hosts that are left in each,
 * so that a host which is retried need not wait for the slowest of its former shard.
 */
export async function countTakenPlaces(
  db: Db,
  step: { scopeId: ScopeId; stepExecutionId: StepExecutionId },
): Promise<number> {
  const result = await db.query<{ n: string }>('select places_taken($1, $2) as n', [
    step.scopeId,
    step.stepExecutionId,
  ])
  return Number(one(result).n)
}

/**
 * How many places of a step's concurrency its open shards do not take; hosts that are away may hold some of them. Undefined where
 * nobody has told how many there are: it has no limit, or an earlier worker began it.
 */
export async function countFreePlaces(
  db: Db,
  step: { scopeId: ScopeId; stepExecutionId: StepExecutionId },
): Promise<number | undefined> {
  const result = await db.query<{ n: string | null }>(
    'select places - places_taken($1, $2) as n from step_execution where scope_id = $1 and id = $2',
    [step.scopeId, step.stepExecutionId],
  )
  const { n } = one(result)
  return n === null ? undefined : Number(n)
}

/**
 * Keeps how many hosts of a step may be under way at once.
 * @param away how many of them are so in no shard: they restart, or lost their session
 */
export async function setPlaces(
  tx: Db,
  step: { scopeId: ScopeId; stepExecutionId: StepExecutionId },
  { places, away }: { places: number; away: number },
): Promise<void> {
  await tx.query('update step_execution set places = $3, places_away = $4 where scope_id = $1 and id = $2', [
    step.scopeId,
    step.stepExecutionId,
    places,
    away,
  ])
}

/**
 * Asks for places of the step's concurrency that its other shards leave free.
 * @param wanted hosts that could be sent their order now
 * @returns how many of its hosts the shard may have under way then; undefined once it is closed
 */
export async function takePlaces(
  db: Db,
  { shardId, gateway, wanted }: { shardId: ShardId; gateway: string; wanted: number },
): Promise<number | undefined> {
  const result = await db.query<{ n: number | null }>('select take_places($1, $2, $3) as n', [
    shardId,
    gateway,
    wanted,
  ])
  return one(result).n ?? undefined
}

/** What a gateway needs to carry a shard through. */
export interface ShardWork {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  shardId: ShardId
  outputDay: string
  hostLimit: number
  keyId: string
  spec: Buffer
  /** Hosts without an end yet. */
  hosts: {
    hostId: HostId
    attempt: number
    state: HostState
    /** The journal that its order is for; no other may be asked. */
    journalId: string | null
    order: Buffer
    signature: Buffer
    /** What is sealed for it; null where its step has no secrets. */
    secrets: Buffer | null
  }[]
}

/** An open shard with its unfinished hosts; undefined once it is closed. */
export async function findShardWork(db: Db, shardId: ShardId): Promise<ShardWork | undefined> {
  const shard = await db.query<Omit<ShardWork, 'hosts'>>(
    `select d.scope_id as "scopeId", d.execution_id as "executionId", d.step_execution_id as "stepExecutionId", d.id as "shardId",
       e.output_day as "outputDay", d.host_limit as "hostLimit", d.key_id as "keyId", d.spec
     from open_shard d join execution e on e.scope_id = d.scope_id and e.id = d.execution_id where d.id = $1`,
    [shardId],
  )
  const [row] = shard.rows
  if (!row) return undefined
  const hosts = await db.query<ShardWork['hosts'][number]>(
    `select o.host_id as "hostId", r.attempt, r.state, r.journal_id as "journalId", o.wire as order, o.signature, o.secrets
     from open_shard d, unnest(d.host_ids, d.orders, d.signatures, d.secrets) with ordinality as o (host_id, wire, signature, secrets, n)
     join host_result r on r.host_id = o.host_id
     where d.id = $1 and r.scope_id = $2 and r.execution_id = $3 and r.step_execution_id = $4 and r.shard_id = d.id
       and r.state in ('pending', 'dispatched', 'running') order by o.n`,
    [shardId, row.scopeId, row.executionId, row.stepExecutionId],
  )
  return { ...row, hosts: hosts.rows }
}

/** What a gateway looks at each second for the shards that it carries. */
export interface ExecutionFlags {
  executionId: ExecutionId
  pause: 'soft' | 'hard' | null
  cancelled: boolean
  stopOrder: Buffer | null
  stopSignature: Buffer | null
  stopKeyId: string | null
  expiresAt: Date
  /** The step that is being ended while its run goes on, and the stop of it alone. */
  endingStep: StepExecutionId | null
  stepStopOrder: Buffer | null
  stepStopSignature: Buffer | null
  stepStopKeyId: string | null
}

export async function listExecutionFlags(
  db: Db,
  executionIds: readonly ExecutionId[],
): Promise<ExecutionFlags[]> {
  const result = await db.query<ExecutionFlags>(
    `select e.id as "executionId", e.pause, e.cancel_requested_at is not null as cancelled, e.expires_at as "expiresAt",
       e.stop_order as "stopOrder", e.stop_signature as "stopSignature", e.stop_key_id as "stopKeyId", e.ending_step as "endingStep",
       t.stop_order as "stepStopOrder", t.stop_signature as "stepStopSignature", t.stop_key_id as "stepStopKeyId"
     from execution e left join step_stop t on t.scope_id = e.scope_id and t.step_execution_id = e.ending_step
     where e.id = any($1)`,
    [executionIds],
  )
  return result.rows
}

/** A shard's hosts as the ledger has them: which have an end, and which have their session at another gateway. */
export async function findShardProgress(
  db: Db,
  shardId: ShardId,
  gatewayBoot: string,
): Promise<{ hostId: HostId; state: HostState; elsewhere: boolean }[]> {
  const result = await db.query<{ hostId: HostId; state: HostState; elsewhere: boolean }>(
    `select r.host_id as "hostId", r.state, coalesce(s.gateway_boot <> $2 and ${liveSession}, false) as elsewhere
     from host_result r left join agent_session s on s.scope_id = r.scope_id and s.host_id = r.host_id
     where r.shard_id = $1`,
    [shardId, gatewayBoot],
  )
  return result.rows
}
