/** Compiled plans, immutable and found by their hash. */
import { createHash } from 'node:crypto'
import type { ScopeId } from '../../domain/id.js'
import type { CompiledPlan } from '../../domain/plan.js'
import type { Db } from './pool.js'

/** Stores the plan if it is new. @returns its hash */
export async function insertPlan(db: Db, scopeId: ScopeId, plan: CompiledPlan): Promise<Buffer> {
  const body = JSON.stringify(plan)
  const hash = createHash('sha256').update(body).digest()
  await db.query(
    'insert into plan_ir (scope_id, hash, ir_version, body) values ($1, $2, $3, $4) on conflict do nothing',
    [scopeId, hash, plan.irVersion, body],
  )
  return hash
}

export async function findPlan(db: Db, scopeId: ScopeId, hash: Buffer): Promise<CompiledPlan | undefined> {
  const result = await db.query<{ body: CompiledPlan }>(
    'select body from plan_ir where scope_id = $1 and hash = $2',
    [scopeId, hash],
  )
  return result.rows[0]?.body
}
