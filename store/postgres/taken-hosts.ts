/** Hosts that a step takes of earlier ones, by what the ledger says of them. The execution must be locked. */
import { statesOf, type Take } from '../../domain/step/take.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { type Db, one } from './pool.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/** Hosts of $1/$2 that the takes in $3 mean, each once, with the place that it has in the run. */
const taken = `select distinct on (r.host_id) r.host_id, r.host_name, r.position
  from jsonb_to_recordset($3::jsonb) as t (step int, states jsonb)
  join step_execution s on s.scope_id = $1 and s.execution_id = $2 and s.position = t.step
  join host_result r on r.scope_id = $1 and r.execution_id = $2 and r.step_execution_id = s.id and t.states ? r.state`

const paramOf = (takes: readonly Take[]) =>
  JSON.stringify(takes.map(({ step, which }) => ({ step, states: statesOf(which) })))

/**
 * Gives a step its hosts, for good. Whoever is taken is a host of the run: of an earlier step, which has its own from the launch.
 * @returns how many; a step that got none has taken nothing
 */
export async function takeHosts(
  tx: Db,
  key: Key & { stepExecutionId: StepExecutionId },
  takes: readonly Take[],
): Promise<number> {
  const result = await tx.query(
    `insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position)
     select $1, $2, $4, h.host_id, h.host_name, h.position from (${taken}) h`,
    [key.scopeId, key.executionId, paramOf(takes), key.stepExecutionId],
  )
  const hosts = result.rowCount ?? 0
  if (hosts)
    await tx.query(
      'update step_execution set hosts = $4, taken_at = now() where scope_id = $1 and execution_id = $2 and id = $3',
      [key.scopeId, key.executionId, key.stepExecutionId, hosts],
    )
  return hosts
}

/** Their names in the order of the target, one a line. */
export async function listTakenNames(tx: Db, key: Key, take: Take): Promise<string> {
  const result = await tx.query<{ names: string }>(
    `select coalesce(string_agg(h.host_name, E'\\n' order by h.position), '') as names from (${taken}) h`,
    [key.scopeId, key.executionId, paramOf([take])],
  )
  return one(result).names
}
