/** Host groups: named lists of hosts, kept by operators. */
import type { HostId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface HostGroup {
  name: string
  hosts: number
  createdAt: Date
}

export async function listGroups(
  db: Db,
  scopeId: ScopeId,
  page: { after: string; limit: number },
): Promise<HostGroup[]> {
  const result = await db.query<{ name: string; hosts: string; created_at: Date }>(
    `select g.name, g.created_at, (select count(*) from host_group_member m where m.scope_id = g.scope_id and m.group_name = g.name) as hosts
     from host_group g where g.scope_id = $1 and g.name > $2 order by g.name limit $3`,
    [scopeId, page.after, page.limit],
  )
  return result.rows.map((row) => ({ name: row.name, hosts: Number(row.hosts), createdAt: row.created_at }))
}

export async function hasGroup(db: Db, scopeId: ScopeId, name: string): Promise<boolean> {
  return (
    (await db.query('select from host_group where scope_id = $1 and name = $2', [scopeId, name])).rowCount ===
    1
  )
}

/** Makes the group, or gives it exactly these members. */
export async function replaceGroup(
  tx: Db,
  scopeId: ScopeId,
  name: string,
  hostIds: readonly HostId[],
): Promise<void> {
  await tx.query('insert into host_group (scope_id, name) values ($1, $2) on conflict do nothing', [
    scopeId,
    name,
  ])
  await tx.query(
    'delete from host_group_member where scope_id = $1 and group_name = $2 and not (host_id = any($3))',
    [scopeId, name, hostIds],
  )
  await tx.query(
    `insert into host_group_member (scope_id, group_name, host_id) select $1, $2, unnest($3::bigint[]) on conflict do nothing`,
    [scopeId, name, hostIds],
  )
}

/** False if there was none. */
export async function removeGroup(db: Db, scopeId: ScopeId, name: string): Promise<boolean> {
  return (
    (await db.query('delete from host_group where scope_id = $1 and name = $2', [scopeId, name])).rowCount ===
    1
  )
}

/** Members in order of their ids, after a cursor; revoked hosts are no members any more. */
export async function listGroupMembers(
  db: Db,
  scopeId: ScopeId,
  name: string,
  page: { after: string; limit: number },
): Promise<{ id: HostId; name: string }[]> {
  const result = await db.query<{ id: HostId; name: string }>(
    `select h.id, h.name from host_group_member m join host h on h.scope_id = m.scope_id and h.id = m.host_id and h.state <> 'revoked'
     where m.scope_id = $1 and m.group_name = $2 and h.id > $3 order by h.id limit $4`,
    [scopeId, name, page.after, page.limit],
  )
  return result.rows
}
