/** Compiled plans, immutable and found by their hash. */
import { createHash } from 'node:crypto'
import type { ScopeId } from '../../domain/id.js'
import type { PlanName } from '../../domain/job.js'
import type { Compilation, CompiledPlan } from '../../domain/plan.js'
import type { ScriptSource } from '../../domain/step/script-step.js'
import { type Db, one } from './pool.js'
import { insertingScripts } from './scripts.js'

const hashOf = (body: string) => createHash('sha256').update(body).digest()

/** The hash by which the plan is found, if it was stored. */
export const hashPlan = (plan: CompiledPlan): Buffer => hashOf(JSON.stringify(plan))

/** Stores the plan and the texts of its scripts, as far as they are new. @returns its hash */
export async function insertPlan(db: Db, scopeId: ScopeId, { plan, scripts }: Compilation): Promise<Buffer> {
  const body = JSON.stringify(plan)
  const hash = hashOf(body)
  await db.query(
    `with texts as (${insertingScripts})
     insert into plan_ir (scope_id, hash, ir_version, body) values ($1, $4, $5, $6) on conflict do nothing`,
    [scopeId, [...scripts.keys()], [...scripts.values()], hash, plan.irVersion, body],
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

/** Where a step of a compiled plan is from. */
export interface StepOrigin {
  /** Null where its text came with the launch or stands in the job. */
  source: ScriptSource | null
  /** Its own; null: the run's. */
  target: string | null
  /** The step that brings the nested plan that it is of, and that plan. */
  visit: { step: string; plan: string } | null
}

/** Where a compiled plan is from. */
export interface PlanOrigin {
  job: PlanName | null
  /** In order. */
  steps: StepOrigin[]
}

export async function getOrigin(db: Db, scopeId: ScopeId, hash: Buffer): Promise<PlanOrigin> {
  const result = await db.query<PlanOrigin>(
    `select p.body->'job' as job, (select jsonb_agg(jsonb_build_object('source', s.step->'source', 'target', s.step->'target', 'visit', (
         select jsonb_build_object('step', v->'name', 'plan', v->'plan') from (select p.body->'nested'->(s.step->>'within')::int) as n (v) where v is not null))
         order by s.n)
       from jsonb_array_elements(p.body->'steps') with ordinality as s (step, n)) as steps
     from plan_ir p where p.scope_id = $1 and p.hash = $2`,
    [scopeId, hash],
  )
  return one(result)
}
