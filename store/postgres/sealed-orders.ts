/** Orders that hold a secret, taken back before their hosts were sent them. */
import type { ExecutionId, StepExecutionId } from '../../domain/id.js'
import type { Db } from './pool.js'
import type { SecretKey } from './secrets.js'
import { closeShards } from './shards.js'

/**
 * Ends the shards that carry a secret, under its lock and after its change: hosts that wait in them for their turn would be
 * sent what was sealed before. Their runs look at them again and find the secret gone; hosts that were sent theirs are asked.
 * @param version only where runs were given this one
 */
export async function takeBackSealed(tx: Db, key: SecretKey, version?: number): Promise<void> {
  const open = await tx.query<{ id: ExecutionId }>(
    `select e.id from execution e join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash
     where e.scope_id = $1 and e.state not in ('succeeded', 'failed', 'cancelled')
       and jsonb_path_exists(p.body, '$.steps[*].secrets.* ? (@.secret == $secret && ($version == null || @.version == $version))',
         jsonb_build_object('secret', $2::text, 'version', $3::int))
     order by e.id for no key update of e`,
    [key.scopeId, key.name, version ?? null],
  )
  const steps = await tx.query<{ stepExecutionId: StepExecutionId }>(
    `select distinct step_execution_id as "stepExecutionId" from shard
     where scope_id = $1 and execution_id = any($2) and closed_at is null and secrets is not null`,
    [key.scopeId, open.rows.map(({ id }) => id)],
  )
  for (const { stepExecutionId } of steps.rows)
    await closeShards(tx, { scopeId: key.scopeId, stepExecutionId })
}
