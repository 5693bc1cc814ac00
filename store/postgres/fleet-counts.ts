/** What an operator is alerted by: the fleet and its open work, counted in one look. */
import { liveSession } from './hosts.js'
import { type Db, one } from './pool.js'

export interface FleetCounts {
  /** Hosts that are not revoked: by what can be done with them now. */
  hosts: { connected: number; away: number; quarantined: number }
  /** Hosts that say of themselves that something is not as it should be, by what it is. */
  conditions: Record<string, number>
  /** Executions without an end, by state. */
  executions: Record<string, number>
  /** Age in seconds of the oldest execution that no workflow has claimed; 0 if there is none. */
  unclaimedSeconds: number
  /** Hosts of open steps whose script may be running while nobody hears from them. */
  asking: number
  /** Age in seconds of the oldest stop that no worker has signed; 0 if there is none. */
  unsignedStopSeconds: number
  /** Age in seconds of the oldest certificate request without an answer; 0 if there is none. */
  unansweredCertificateSeconds: number
  /** Connected hosts whose newest certificate ends within a day: renewals fail. */
  certificatesEnding: number
}

/** One statement each for hosts, conditions and executions; all by index or by the size of the fleet. */
export async function countFleet(db: Db): Promise<FleetCounts> {
  const hosts = await db.query<FleetCounts['hosts'] & { certificatesEnding: number }>(
    `select count(*) filter (where h.state = 'quarantined')::int as quarantined,
       count(*) filter (where h.state = 'active' and s.live)::int as connected,
       count(*) filter (where h.state = 'active' and not coalesce(s.live, false))::int as away,
       count(*) filter (where s.live and c.not_after < now() + interval '1 day')::int as "certificatesEnding"
     from host h
     left join lateral (select ${liveSession} as live from agent_session s
       where s.scope_id = h.scope_id and s.host_id = h.id) s on true
     left join lateral (select max(not_after) as not_after from certificate c
       where c.scope_id = h.scope_id and c.host_id = h.id and c.revoked_at is null) c on true
     where h.state <> 'revoked'`,
  )
  const conditions = await db.query<{ name: string; count: number }>(
    `select c.name, count(*)::int from host h, unnest(h.conditions) as c (name) where h.state <> 'revoked' group by c.name`,
  )
  const executions = await db.query<{ name: string; count: number; unclaimed: number }>(
    `select state as name, count(*)::int,
       coalesce(extract(epoch from now() - min(created_at) filter (where run_id is null)), 0)::float as unclaimed
     from execution where state not in ('succeeded', 'failed', 'cancelled') group by state`,
  )
  const waiting = await db.query<
    Pick<FleetCounts, 'asking' | 'unsignedStopSeconds' | 'unansweredCertificateSeconds'>
  >(
    `select (select count(*)::int from execution e
         join host_result r on r.scope_id = e.scope_id and r.execution_id = e.id and r.state in ('dispatched', 'running')
         join agent_session s on s.scope_id = r.scope_id and s.host_id = r.host_id and not (${liveSession})
         where e.state not in ('succeeded', 'failed', 'cancelled')) as asking,
       (select coalesce(extract(epoch from now() - min(stop_requested_at)), 0)::float from execution
         where stop_requested_at is not null and stop_order is null) as "unsignedStopSeconds",
       (select coalesce(extract(epoch from now() - min(requested_at)), 0)::float from certificate_request
         where answered_at is null) as "unansweredCertificateSeconds"`,
  )
  const { certificatesEnding, ...byUse } = one(hosts)
  return {
    hosts: byUse,
    conditions: countsOf(conditions.rows),
    executions: countsOf(executions.rows),
    unclaimedSeconds: Math.max(0, ...executions.rows.map((row) => row.unclaimed)),
    certificatesEnding,
    ...one(waiting),
  }
}

function countsOf(rows: { name: string; count: number }[]): Record<string, number> {
  return Object.fromEntries(rows.map((row) => [row.name, row.count]))
}
