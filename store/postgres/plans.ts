/** Compiled plans, immutable and found by their hash. */
import { createHash } from 'node:crypto'
import type { ScopeId } from '../../domain/id.js'
import type { CompiledPlan, ScriptSource } from '../../domain/plan.js'
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

/** Which script of the library each step runs, in the order of the steps; null where its text came with the launch. */
export async function listSources(db: Db, scopeId: ScopeId, hash: Buffer): Promise<(ScriptSource | null)[]> {
  const result = await db.query<{ source: ScriptSource | null }>(
    `select s.step->'source' as source from plan_ir p, jsonb_array_elements(p.body->'steps') with ordinality as s (step, n)
     where p.scope_id = $1 and p.hash = $2 order by s.n`,
    [scopeId, hash],
  )
  return result.rows.map((row) => row.source)
}
