/** What an undo would meet: hosts by the effect that each step had on them, and runs that came later. */
import type { ExecutionId, HostId, ScopeId } from '../../domain/id.js'
import type { CompiledPlan } from '../../domain/plan.js'
import type { Db } from './pool.js'
import { effects, undone } from './undo.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/** Hosts of a step that has an undo, in the order of the target. */
export interface StepEffects {
  position: number
  effect: 'yes' | 'maybe'
  hostIds: HostId[]
  hostNames: string[]
}

/** But those that were given to the undo already. */
export async function listEffects(db: Db, key: Key, plan: CompiledPlan): Promise<StepEffects[]> {
  const result = await db.query<StepEffects>(
    `select step as position, effect, array_agg(host_id::text order by position) as "hostIds", array_agg(host_name order by position) as "hostNames"
     from (${effects}) effects group by step, effect`,
    [key.scopeId, key.executionId, undone(plan)],
  )
  return result.rows
}

/** Later runs are looked for among this many newest ones of the scope: each has a row for every host of every step. */
const RUNS_LOOKED_AT = 20

export interface LaterRun {
  id: ExecutionId
  name: string
  /** Of those that are asked about. */
  hosts: number
  createdAt: Date
}

/** Runs after this one that began something on these hosts, or may have, newest first. */
export async function listLaterRuns(db: Db, key: Key, hostIds: readonly HostId[]): Promise<LaterRun[]> {
  if (!hostIds.length) return []
  const result = await db.query<LaterRun>(
    `select e.id, e.name, count(distinct r.host_id)::int as hosts, e.created_at as "createdAt"
     from (select * from execution where scope_id = $1 and id > $2 order by id desc limit ${RUNS_LOOKED_AT}) e
     join host_result r on r.scope_id = e.scope_id and r.execution_id = e.id
     where r.started <> 'no' and r.host_id = any($3)
     group by e.id, e.name, e.created_at order by e.id desc`,
    [key.scopeId, key.executionId, hostIds],
  )
  return result.rows
}
