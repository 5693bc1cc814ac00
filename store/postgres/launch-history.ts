/** What earlier runs tell of a launch that is yet to come. */
import type { ExecutionId, HostId, ScopeId } from '../../domain/id.js'
import { liveSession } from './hosts.js'
import type { Db } from './pool.js'

/** Earlier runs are looked for among this many newest ones of the scope. */
const RECENT_RUNS = 5_000
const RUNS_MAX = 20

export interface PastRun {
  id: ExecutionId
  planHash: Buffer
  hosts: number
  endedAt: Date
  tookMs: number
}

/**
 * The latest runs of a name that succeeded, newest first.
 * @param like.planHash only of exactly this plan
 */
export async function listSuccesses(
  db: Db,
  scopeId: ScopeId,
  like: { name: string; planHash: Buffer | undefined },
): Promise<PastRun[]> {
  const result = await db.query<PastRun>(
    `select id, plan_hash as "planHash", hosts, ended_at as "endedAt",
       (extract(epoch from ended_at - coalesce(started_at, created_at)) * 1000)::float8 as "tookMs"
     from (select * from execution where scope_id = $1 order by id desc limit $4) recent
     where name = $2 and state = 'succeeded' and ($3::bytea is null or plan_hash = $3) order by id desc limit $5`,
    [scopeId, like.name, like.planHash ?? null, RECENT_RUNS, RUNS_MAX],
  )
  return result.rows
}

export interface GroupShare {
  group: string
  targeted: number
  members: number
}

/** For every group that has some of the hosts: how many of them, of how many. */
export async function groupShares(
  db: Db,
  scopeId: ScopeId,
  hostIds: readonly HostId[],
): Promise<GroupShare[]> {
  const result = await db.query<GroupShare>(
    `select m.group_name as "group", count(t.id)::int as targeted, count(*)::int as members
     from host_group_member m join host h on h.scope_id = m.scope_id and h.id = m.host_id and h.state <> 'revoked'
     left join unnest($2::bigint[]) as t (id) on t.id = m.host_id
     where m.scope_id = $1 group by m.group_name having count(t.id) > 0 order by 2 desc, 1`,
    [scopeId, hostIds],
  )
  return result.rows
}

/** How many of the hosts have no agent connected now. */
export async function countAway(db: Db, scopeId: ScopeId, hostIds: readonly HostId[]): Promise<number> {
  const result = await db.query<{ n: number }>(
    `select count(*)::int as n from unnest($2::bigint[]) as h (id)
     where not exists (select from agent_session s where s.scope_id = $1 and s.host_id = h.id and ${liveSession})`,
    [scopeId, hostIds],
  )
  return result.rows[0]?.n ?? 0
}
