/** Hosts: machines with an agent, their labels and facts. */
import type { HostId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'
import type { UpgradeState } from './upgrades.js'

export interface HostUpgrade {
  version: string
  fromVersion: string | null
  state: UpgradeState
  reason: string | null
  detail: string | null
  /** ISO 8601. */
  requestedAt: string
  updatedAt: string
}

export interface Host {
  id: HostId
  name: string
  state: 'active' | 'quarantined' | 'revoked'
  stateReason: string | null
  connected: boolean
  gateway: string | null
  agentVersion: string | null
  protocol: number | null
  clockSkewMs: number | null
  conditions: string[]
  labels: Record<string, string>
  facts: Record<string, string>
  /** The latest upgrade of its agent. */
  upgrade: HostUpgrade | null
  createdAt: Date
  lastSeenAt: Date | null
}

// A session counts only while its gateway's process is alive: one that was killed cannot close its rows.
export const liveSession = `s.disconnected_at is null and exists (
  select from gateway g where g.name = s.gateway and g.boot_id = s.gateway_boot and g.last_seen_at > now() - interval '10 seconds')`

const columns = `h.id, h.name, h.state, h.state_reason, h.agent_version, h.protocol, h.clock_skew_ms, h.conditions, h.created_at,
  greatest(h.last_seen_at, s.connected_at) as last_seen_at, s.gateway, coalesce(${liveSession}, false) as connected,
  coalesce((select jsonb_object_agg(key, value) from host_label l where l.scope_id = h.scope_id and l.host_id = h.id), '{}') as labels,
  (select jsonb_build_object('version', u.version, 'fromVersion', u.from_version, 'state', u.state, 'reason', u.reason, 'detail', u.detail,
     'requestedAt', u.requested_at, 'updatedAt', u.updated_at) from agent_upgrade u where u.scope_id = h.scope_id and u.host_id = h.id) as upgrade,
  coalesce((select jsonb_object_agg(key, value) from host_fact f where f.scope_id = h.scope_id and f.host_id = h.id), '{}') as facts`

const from = 'from host h left join agent_session s on s.scope_id = h.scope_id and s.host_id = h.id'

interface HostRow {
  id: HostId
  name: string
  state: Host['state']
  state_reason: string | null
  agent_version: string | null
  protocol: number | null
  clock_skew_ms: string | null
  conditions: string[]
  upgrade: HostUpgrade | null
  created_at: Date
  last_seen_at: Date | null
  gateway: string | null
  connected: boolean
  labels: Record<string, string>
  facts: Record<string, string>
}

function toHost(row: HostRow): Host {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    stateReason: row.state_reason,
    connected: row.connected,
    gateway: row.connected ? row.gateway : null,
    agentVersion: row.agent_version,
    protocol: row.protocol,
    clockSkewMs: row.clock_skew_ms === null ? null : Number(row.clock_skew_ms),
    conditions: row.conditions,
    labels: row.labels,
    facts: row.facts,
    upgrade: row.upgrade,
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
  }
}

export async function getHost(db: Db, scopeId: ScopeId, id: HostId): Promise<Host | undefined> {
  const result = await db.query<HostRow>(`select ${columns} ${from} where h.scope_id = $1 and h.id = $2`, [
    scopeId,
    id,
  ])
  return result.rows[0] && toHost(result.rows[0])
}

/** Hosts by id, ascending, after a cursor; `ids` narrows them to those given. */
export async function listHosts(
  db: Db,
  scopeId: ScopeId,
  page: { after: string; limit: number; ids?: HostId[] | undefined; includeRevoked?: boolean | undefined },
): Promise<Host[]> {
  const result = await db.query<HostRow>(
    `select ${columns} ${from}
     where h.scope_id = $1 and h.id > $2 and ($4::bigint[] is null or h.id = any($4)) and ($5 or h.state <> 'revoked')
     order by h.id limit $3`,
    [scopeId, page.after, page.limit, page.ids ?? null, page.includeRevoked ?? false],
  )
  return result.rows.map(toHost)
}

/**
 * Makes a host; undefined if its name is taken by one that is not revoked.
 * @param joinKey sha256 of the key that it joins with
 */
export async function insertHost(
  db: Db,
  scopeId: ScopeId,
  name: string,
  joinKey?: Buffer,
): Promise<HostId | undefined> {
  const result = await db.query<{ id: HostId }>(
    `insert into host (scope_id, name, join_key) values ($1, $2, $3)
     on conflict (scope_id, name) where state <> 'revoked' do nothing returning id`,
    [scopeId, name, joinKey ?? null],
  )
  return result.rows[0]?.id
}

/** Sets labels and takes away those given as null. */
export async function updateLabels(
  tx: Db,
  scopeId: ScopeId,
  hostId: HostId,
  labels: Record<string, string | null>,
): Promise<void> {
  const gone = Object.keys(labels).filter((key) => labels[key] === null)
  const kept = Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== null)
  await tx.query('delete from host_label where scope_id = $1 and host_id = $2 and key = any($3)', [
    scopeId,
    hostId,
    gone,
  ])
  await tx.query(
    `insert into host_label (scope_id, host_id, key, value)
     select $1, $2, * from unnest($3::text[], $4::text[])
     on conflict (scope_id, host_id, key) do update set value = excluded.value`,
    [scopeId, hostId, kept.map(([key]) => key), kept.map(([, value]) => value)],
  )
}

/** Replaces the facts that a host's agent told. */
export async function replaceFacts(
  tx: Db,
  scopeId: ScopeId,
  hostId: HostId,
  facts: Record<string, string>,
): Promise<void> {
  await tx.query('delete from host_fact where scope_id = $1 and host_id = $2 and not (key = any($3))', [
    scopeId,
    hostId,
    Object.keys(facts),
  ])
  await tx.query(
    `insert into host_fact (scope_id, host_id, key, value)
     select $1, $2, * from unnest($3::text[], $4::text[])
     on conflict (scope_id, host_id, key) do update set value = excluded.value where host_fact.value <> excluded.value`,
    [scopeId, hostId, Object.keys(facts), Object.values(facts)],
  )
}

/** Ends a host's identity: its certificates are revoked with it. False if it was revoked before. */
export async function revokeHost(tx: Db, scopeId: ScopeId, hostId: HostId): Promise<boolean> {
  const result = await tx.query(
    `update host set state = 'revoked', revoked_at = now() where scope_id = $1 and id = $2 and state <> 'revoked'`,
    [scopeId, hostId],
  )
  await tx.query(
    'update certificate set revoked_at = now() where scope_id = $1 and host_id = $2 and revoked_at is null',
    [scopeId, hostId],
  )
  return result.rowCount === 1
}

/**
 * Lets a quarantined host work again, under the journal that its agent comes with next. What it was sent before and has not
 * told is for no other journal to answer: it ends `unknown`. Its session ends, so that it comes anew.
 * @returns false if it was not quarantined
 */
export async function releaseHost(tx: Db, scopeId: ScopeId, hostId: HostId): Promise<boolean> {
  const result = await tx.query(
    `with before as (select state_reason from host where scope_id = $1 and id = $2 and state = 'quarantined' for update)
     update host h set state = 'active', state_reason = null, former_journals = '{}', journal_sequence = 0
     from before where h.scope_id = $1 and h.id = $2`,
    [scopeId, hostId],
  )
  if (!result.rowCount) return false
  await tx.query(
    `update agent_session set connected_at = clock_timestamp(), disconnected_at = now(), epoch = nextval('session_epoch')
     where scope_id = $1 and host_id = $2`,
    [scopeId, hostId],
  )
  return true
}

/** Keeps a host from new work until an operator has looked. */
export async function quarantineHost(
  db: Db,
  scopeId: ScopeId,
  hostId: HostId,
  reason: string,
): Promise<void> {
  await db.query('select quarantine_host($1, $2, $3)', [scopeId, hostId, reason])
}
