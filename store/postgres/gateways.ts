/** Gateways: a stable name, and the one process that holds it. */
import type { ScopeId } from '../../domain/id.js'
import { type Db, one } from './pool.js'

export interface GatewayProcess {
  scopeId: ScopeId
  name: string
  bootId: string
  address: string
}

/** Takes the name, unless another process holds it and was heard of in the last 10 seconds. */
export async function claimGateway(db: Db, gateway: GatewayProcess): Promise<boolean> {
  const result = await db.query(
    `insert into gateway (scope_id, name, boot_id, address) values ($1, $2, $3, $4)
     on conflict (scope_id, name) do update
       set boot_id = excluded.boot_id, address = excluded.address, started_at = now(), last_seen_at = now(), alive_since = now(),
           draining = false
       where gateway.boot_id = excluded.boot_id or gateway.last_seen_at < now() - interval '10 seconds'`,
    [gateway.scopeId, gateway.name, gateway.bootId, gateway.address],
  )
  return result.rowCount === 1
}

/** Says that the process lives. False if another one has taken the name: this one must stop. */
export async function beatGateway(db: Db, gateway: GatewayProcess, draining: boolean): Promise<boolean> {
  const result = await db.query(
    `update gateway set last_seen_at = now(), draining = $4,
       alive_since = case when last_seen_at < now() - interval '10 seconds' then now() else alive_since end
     where scope_id = $1 and name = $2 and boot_id = $3`,
    [gateway.scopeId, gateway.name, gateway.bootId, draining],
  )
  return result.rowCount === 1
}

/** Gives the name back, so that the next process need not wait. */
export async function releaseGateway(db: Db, gateway: GatewayProcess): Promise<void> {
  await db.query(
    `update gateway set last_seen_at = 'epoch' where scope_id = $1 and name = $2 and boot_id = $3`,
    [gateway.scopeId, gateway.name, gateway.bootId],
  )
}

/** Whether this login may do what no gateway needs: it is the owner's, or one that was granted too much. */
export async function mayTooMuch(db: Db): Promise<boolean> {
  const result = await db.query<{ may: boolean }>(
    `select has_table_privilege('audit', 'select') or has_any_column_privilege('execution', 'update') as may`,
  )
  return one(result).may
}
