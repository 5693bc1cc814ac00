/** Looks: a workflow looks at a step's hosts again and again, and one that comes late or twice must change nothing. */
import type { ScopeId, ShardId, StepExecutionId } from '../../domain/id.js'
import type { ShardRef } from '../../domain/shard.js'
import { type Db, one } from './pool.js'
import { closingShards } from './shards.js'

interface StepKey {
  scopeId: ScopeId
  stepExecutionId: StepExecutionId
}

/** A look that asks for its turn. */
interface Asking {
  number: number
  /** Shards that are carried: all others are closed, so that hosts of theirs without an end can be given to others. */
  shards: readonly ShardId[]
  /** Whether it may have been taken already. */
  again: boolean
}

/**
 * Takes a look's turn, under the execution's lock.
 * @returns whether it is the newest; and the database's time under that lock, which tells what was ordered before what
 */
export async function takeLook(
  tx: Db,
  step: StepKey,
  { number, shards, again }: Asking,
): Promise<{ isTaken: boolean; at: Date }> {
  const result = await tx.query<{ isTaken: boolean; at: Date }>(
    `with taken as (
       update step_execution set look = $4 where scope_id = $1 and id = $2 and (look < $4 or (look = $4 and $5)) returning id),
     ${closingShards('exists (select from taken)')}
     select exists (select from taken) as "isTaken", clock_timestamp() as at`,
    [step.scopeId, step.stepExecutionId, shards, number, again],
  )
  return one(result)
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
