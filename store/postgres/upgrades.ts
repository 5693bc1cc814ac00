/** Upgrades of agents: which host is to change to which version, the order that a worker signs for it, and how far it got. */
import type { HostId, PrincipalId, ScopeId } from '../../domain/id.js'
import { readClock } from './executions.js'
import type { Db } from './pool.js'

export type UpgradeState = 'pending' | 'downloading' | 'probation' | 'done' | 'rolled_back' | 'refused'

export interface NewUpgrade {
  scopeId: ScopeId
  rolloutId: string
  version: string
  probationMs: number
  expiresInMs: number
  atOnce: number
  maxFailures: number
  requestedBy: PrincipalId
}

/** Asks for an upgrade of each host; what was asked for before and has not begun is replaced. */
export async function insertUpgrades(tx: Db, upgrade: NewUpgrade, hostIds: readonly HostId[]): Promise<void> {
  await tx.query(
    `insert into agent_upgrade (scope_id, host_id, rollout_id, version, from_version, probation_ms, at_once, max_failures, requested_by, expires_at)
     select h.scope_id, h.id, $3, $4, h.agent_version, $5, $6, $7, $8, now() + $9 * interval '1 ms'
     from host h where h.scope_id = $1 and h.id = any($2) order by h.id
     on conflict (scope_id, host_id) do update set
       id = default, rollout_id = excluded.rollout_id, version = excluded.version, from_version = excluded.from_version,
       probation_ms = excluded.probation_ms, at_once = excluded.at_once, max_failures = excluded.max_failures,
       state = 'pending', reason = null, detail = null, requested_by = excluded.requested_by, requested_at = now(),
       expires_at = excluded.expires_at, signed_at = null, signed_order = null, signature = null, key_id = null, updated_at = now()`,
    [
      upgrade.scopeId,
      hostIds,
      upgrade.rolloutId,
      upgrade.version,
      upgrade.probationMs,
      upgrade.atOnce,
      upgrade.maxFailures,
      upgrade.requestedBy,
      upgrade.expiresInMs,
    ],
  )
}

/** An upgrade that waits for its signature. */
export interface UpgradeRequest {
  id: string
  scopeId: ScopeId
  hostId: HostId
  version: string
  sha256: Buffer
  bytes: number
  platform: string
  probationMs: number
  expiresAt: Date
  issuedAt: Date
}

// One that was sent to a host which does not answer gives its place to another after this long.
const SILENT_AFTER = `interval '30 seconds'`

/**
 * Takes upgrades that may begin now: of each rollout as many as its limit leaves room for, hosts with a session first.
 * Other workers skip them until the transaction ends.
 */
export async function takeUpgradeRequests(tx: Db, limit: number): Promise<UpgradeRequest[]> {
  const result = await tx.query<Omit<UpgradeRequest, 'issuedAt'>>(
    `with busy as (
       select rollout_id, count(*) as hosts from agent_upgrade
       where state in ('downloading', 'probation') or (state = 'pending' and signed_at > now() - ${SILENT_AFTER})
       group by rollout_id
     ), waiting as (
       select u.id, u.at_once - coalesce(b.hosts, 0) as room,
         row_number() over (partition by u.rollout_id order by (s.disconnected_at is null and s.host_id is not null) desc, u.host_id) as place
       from agent_upgrade u
       left join busy b on b.rollout_id = u.rollout_id
       left join agent_session s on s.scope_id = u.scope_id and s.host_id = u.host_id
       where u.state = 'pending' and u.signed_order is null and u.expires_at > now()
     )
     select u.id, u.scope_id as "scopeId", u.host_id as "hostId", u.version, b.sha256, length(b.content) as bytes, b.platform,
       u.probation_ms as "probationMs", u.expires_at as "expiresAt"
     from agent_upgrade u join agent_bundle b on b.scope_id = u.scope_id and b.version = u.version
     where u.id = any(array(select id from waiting where place <= room order by place limit $1)) and u.signed_order is null
     for no key update of u skip locked`,
    [limit],
  )
  if (!result.rows.length) return []
  const issuedAt = await readClock(tx)
  return result.rows.map((row) => ({ ...row, issuedAt }))
}

export async function answerUpgradeRequest(
  tx: Db,
  request: UpgradeRequest,
  signed: { order: Buffer; signature: Buffer; keyId: string },
): Promise<void> {
  await tx.query(
    'update agent_upgrade set signed_order = $2, signature = $3, key_id = $4, signed_at = now() where id = $1',
    [request.id, signed.order, signed.signature, signed.keyId],
  )
}

/** Ends what will not begin any more: upgrades past their time, and those of a rollout in which too many fell back. */
export async function endIdleUpgrades(tx: Db): Promise<void> {
  await tx.query(
    `update agent_upgrade set state = 'refused', reason = 'order_expired', updated_at = now(),
       detail = 'the host did not take it up before its expiry; order it again'
     where state = 'pending' and expires_at <= now()`,
  )
  await tx.query(
    `update agent_upgrade u set state = 'refused', reason = 'rollout_stopped', updated_at = now(),
       detail = 'too many hosts of the rollout fell back to their old version; this one was not begun'
     from (select rollout_id, count(*) as failures from agent_upgrade where state = 'rolled_back' or reason = 'bundle_broken' group by rollout_id) f
     where f.rollout_id = u.rollout_id and f.failures > u.max_failures and u.state = 'pending' and u.signed_order is null`,
  )
}

/** An order for a host that has its session here. */
export interface UpgradeToSend {
  id: string
  hostId: HostId
  sha256: Buffer
  order: Buffer
  signature: Buffer
  keyId: string
}

/** Signed orders that are not carried out yet, for hosts whose session this gateway's process holds. */
export async function listUpgradesToSend(
  db: Db,
  gateway: { name: string; bootId: string },
): Promise<UpgradeToSend[]> {
  const result = await db.query<UpgradeToSend>(
    `select u.id, u.host_id as "hostId", b.sha256, u.signed_order as order, u.signature, u.key_id as "keyId"
     from agent_upgrade u
     join agent_bundle b on b.scope_id = u.scope_id and b.version = u.version
     join agent_session s on s.scope_id = u.scope_id and s.host_id = u.host_id
     join host h on h.scope_id = u.scope_id and h.id = u.host_id and h.state = 'active'
     where u.state in ('pending', 'downloading') and u.signed_order is not null and u.expires_at > now()
       and s.gateway = $1 and s.gateway_boot = $2 and s.disconnected_at is null
     order by u.id limit 1000`,
    [gateway.name, gateway.bootId],
  )
  return result.rows
}

export interface UpgradeNews {
  scopeId: ScopeId
  hostId: HostId
  /** Of the session that told it. */
  epoch: string
  id: string
  state: Exclude<UpgradeState, 'pending'>
  reason: string | null
  detail: string | null
}

/** Records how far an upgrade got; news of an older session, of an upgrade that was replaced, or that goes back, changes nothing. */
export async function recordUpgradeNews(db: Db, news: UpgradeNews): Promise<void> {
  await db.query('select write_upgrade_news($1, $2, $3, $4, $5, $6, $7)', [
    news.scopeId,
    news.hostId,
    news.epoch,
    news.id,
    news.state,
    news.reason,
    news.detail,
  ])
}
