/** Looks: a workflow looks at a step's hosts again and again, and one that comes late or twice must change nothing. */
import type { ScopeId, StepExecutionId } from '../../domain/id.js'
import type { ShardRef } from '../../domain/shard.js'
import type { Db } from './pool.js'

interface StepKey {
  scopeId: ScopeId
  stepExecutionId: StepExecutionId
}

/**
 * Takes a look's turn, under the execution's lock.
 * @returns false if this look was taken already or a newer one was
 */
export async function takeLook(tx: Db, step: StepKey, look: number): Promise<boolean> {
  const result = await tx.query(
    'update step_execution set look = $3 where scope_id = $1 and id = $2 and look < $3',
    [step.scopeId, step.stepExecutionId, look],
  )
  return result.rowCount === 1
}

/**
 * Whether a look is the newest, which it is from now on, under the execution's lock; also if it was taken already.
 */
export async function isLatestLook(tx: Db, step: StepKey, look: number): Promise<boolean> {
  const result = await tx.query(
    'update step_execution set look = $3 where scope_id = $1 and id = $2 and look <= $3',
    [step.scopeId, step.stepExecutionId, look],
  )
  return result.rowCount === 1
}

/** The step's open shards, in the order of their making. */
export async function listOpenShards(db: Db, step: StepKey): Promise<ShardRef[]> {
  const result = await db.query<ShardRef>(
    `select id as "shardId", gateway, cardinality(host_ids) as hosts from shard
     where scope_id = $1 and step_execution_id = $2 and closed_at is null order by id`,
    [step.scopeId, step.stepExecutionId],
  )
  return result.rows
}
