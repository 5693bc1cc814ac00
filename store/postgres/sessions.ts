/** Agent sessions: which gateway's process holds a host's live stream, fenced by an epoch. */
import type { HostId, ScopeId } from '../../domain/id.js'
import { type Db, one } from './pool.js'

export interface SessionHello {
  scopeId: ScopeId
  hostId: HostId
  gateway: string
  gatewayBoot: string
  agentVersion: string
  protocol: number | null
  journalId: string
  journalSequence: string
  bootId: string
  machineId: string
  clockSkewMs: number
  conditions: string[]
}

export interface OpenedSession {
  epoch: string
  name: string
  state: 'active' | 'quarantined' | 'revoked'
  /** What was known of the host before this hello. */
  before: {
    journalId: string | null
    journalSequence: string
    connected: boolean
    /** Journals that another one has replaced. */
    formerJournals: string[]
  }
}

/** Records a session as the newest of its host. */
export async function openSession(tx: Db, hello: SessionHello): Promise<OpenedSession> {
  const host = await tx.query<{
    name: string
    state: OpenedSession['state']
    journal_id: string | null
    journal_sequence: string
    former_journals: string[]
  }>(
    'select name, state, journal_id, journal_sequence, former_journals from host where scope_id = $1 and id = $2 for update',
    [hello.scopeId, hello.hostId],
  )
  const before = one(host)
  const session = await tx.query<{ epoch: string; was_connected: boolean }>(
    `with old as (select disconnected_at is null as connected from agent_session where scope_id = $1 and host_id = $2)
     insert into agent_session (scope_id, host_id, gateway, gateway_boot) values ($1, $2, $3, $4)
     on conflict (scope_id, host_id) do update
       set gateway = excluded.gateway, gateway_boot = excluded.gateway_boot, connected_at = clock_timestamp(), disconnected_at = null
     returning epoch, coalesce((select connected from old), false) as was_connected`,
    [hello.scopeId, hello.hostId, hello.gateway, hello.gatewayBoot],
  )
  await tx.query(
    `update host set agent_version = $3, protocol = $4, journal_id = $5, journal_sequence = $6, boot_id = $7, machine_id = $8,
       clock_skew_ms = $9, conditions = $10, last_seen_at = now() where scope_id = $1 and id = $2`,
    [
      hello.scopeId,
      hello.hostId,
      hello.agentVersion,
      hello.protocol,
      hello.journalId,
      hello.journalSequence,
      hello.bootId,
      hello.machineId,
      hello.clockSkewMs,
      hello.conditions,
    ],
  )
  const { epoch, was_connected: connected } = one(session)
  return {
    epoch,
    name: before.name,
    state: before.state,
    before: {
      journalId: before.journal_id,
      journalSequence: before.journal_sequence,
      connected,
      formerJournals: before.former_journals,
    },
  }
}

/** Records the end of a session, unless a newer one has taken its place. */
export async function closeSession(
  db: Db,
  session: { scopeId: ScopeId; hostId: HostId; epoch: string },
): Promise<void> {
  await db.query(
    'update agent_session set disconnected_at = now() where scope_id = $1 and host_id = $2 and epoch = $3 and disconnected_at is null',
    [session.scopeId, session.hostId, session.epoch],
  )
  await db.query('update host set last_seen_at = now() where scope_id = $1 and id = $2', [
    session.scopeId,
    session.hostId,
  ])
}

/** What heartbeats told, for many hosts at once. */
export async function beatSessions(
  db: Db,
  beats: {
    hostId: HostId
    journalId: string
    journalSequence: string
    clockSkewMs: number
    conditions: string[]
  }[],
): Promise<void> {
  if (!beats.length) return
  await db.query(
    `update host h set last_seen_at = now(), clock_skew_ms = b.skew, conditions = array(select jsonb_array_elements_text(b.conditions)),
       journal_sequence = case when h.journal_id = b.journal then greatest(h.journal_sequence, b.sequence) else h.journal_sequence end
     from unnest($1::bigint[], $2::bigint[], $3::jsonb[], $4::text[], $5::bigint[]) as b (id, skew, conditions, journal, sequence)
     where h.id = b.id`,
    [
      beats.map((beat) => beat.hostId),
      beats.map((beat) => beat.clockSkewMs),
      beats.map((beat) => JSON.stringify(beat.conditions)),
      beats.map((beat) => beat.journalId),
      beats.map((beat) => beat.journalSequence),
    ],
  )
}

/** Of these sessions, those that are no longer the newest of their host, or whose host was revoked. */
export async function findStaleSessions(
  db: Db,
  sessions: readonly { hostId: HostId; epoch: string }[],
): Promise<{ hostId: HostId; epoch: string; revoked: boolean }[]> {
  const result = await db.query<{ hostId: HostId; epoch: string; revoked: boolean }>(
    `select h.id as "hostId", mine.epoch, h.state = 'revoked' as revoked
     from unnest($1::bigint[], $2::bigint[]) as mine (id, epoch)
     join host h on h.id = mine.id
     join agent_session s on s.scope_id = h.scope_id and s.host_id = h.id
     where h.state = 'revoked' or s.epoch > mine.epoch`,
    [sessions.map((session) => session.hostId), sessions.map((session) => session.epoch)],
  )
  return result.rows
}

/** Keeps a host visible that was heard of but cannot be worked with: for a run it is as good as away. */
export async function recordUnusable(
  db: Db,
  host: { scopeId: ScopeId; hostId: HostId },
  state: { agentVersion: string; condition: string },
): Promise<void> {
  await db.query(
    'update host set agent_version = $3, protocol = null, conditions = array[$4] where scope_id = $1 and id = $2',
    [host.scopeId, host.hostId, state.agentVersion, state.condition],
  )
}
