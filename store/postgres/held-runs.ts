/** Runs that are held as `paused: recovered`: nobody carries them, nothing of them is sent, hosts may still tell what they know. */
import { isHeldByRecovery, RECOVERED, workflowIdOf } from '../../domain/execution.js'
import type { ExecutionId, HostId, ScopeId, StepExecutionId } from '../../domain/id.js'
import { isFinalStepState } from '../../domain/step-execution.js'
import { type Execution, getExecution, listSteps, setExecutionState, setStepState } from './executions.js'
import { type Db, one } from './pool.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/**
 * Holds a run under the id of a workflow that nobody has started: whatever workflow carried it is refused from now on. The
 * execution must be locked and without an end. A cancel that was asked for stays asked for.
 */
export async function holdExecution(tx: Db, key: Key, scopeName: string, tag: string): Promise<void> {
  const row = await tx.query<{ continuation: number }>(
    `update execution set continuation = continuation + 1, run_id = null, pause = 'soft',
       stop_requested_at = case when cancel_requested_at is not null then stop_requested_at end,
       stop_order = case when cancel_requested_at is not null then stop_order end
     where scope_id = $1 and id = $2 returning continuation`,
    [key.scopeId, key.executionId],
  )
  const workflowId = workflowIdOf(scopeName, key.executionId, one(row).continuation, tag)
  await tx.query('update execution set workflow_id = $3 where scope_id = $1 and id = $2', [
    key.scopeId,
    key.executionId,
    workflowId,
  ])
  await tx.query(
    'update shard set closed_at = now(), secrets = null where scope_id = $1 and execution_id = $2 and closed_at is null',
    [key.scopeId, key.executionId],
  )
  for (const step of await listSteps(tx, key.scopeId, key.executionId)) {
    if (!isFinalStepState(step.state) && step.state !== 'pending')
      await setStepState(tx, { ...key, stepExecutionId: step.id }, 'paused', RECOVERED)
  }
  await setExecutionState(tx, key, 'paused', RECOVERED)
}

/** SQL, whether new launches of a scope ($1) are to wait: the database was put back, and nobody has said since that all is well. */
export const launchesHeld = `exists (select from recovery r where not exists (
       select from recovery_release l where l.scope_id = $1 and l.recovery_id = r.id))`

/** Holds a launch, in the transaction that writes it. */
export async function holdLaunch(tx: Db, { scopeId, id }: Execution): Promise<Execution> {
  await tx.query(`update execution set pause = 'soft' where scope_id = $1 and id = $2`, [scopeId, id])
  await setExecutionState(tx, { scopeId, executionId: id }, 'paused', RECOVERED)
  const held = await getExecution(tx, scopeId, id)
  if (!held) throw new Error(`there is no run r-${id}`)
  return held
}

/**
 * Lets a held run go on, or end if its cancel was asked for; its workflow must be started then. The execution must be locked.
 * @returns false if it is not held
 */
export async function releaseExecution(tx: Db, key: Key): Promise<boolean> {
  const execution = await getExecution(tx, key.scopeId, key.executionId)
  if (!execution || !isHeldByRecovery(execution)) return false
  await doubtSilentHosts(tx, key)
  await tx.query('update execution set pause = null where scope_id = $1 and id = $2', [
    key.scopeId,
    key.executionId,
  ])
  return setExecutionState(tx, key, execution.cancelRequestedAt ? 'cancelling' : 'running')
}

/**
 * Nothing was sent to a `pending` host, says a ledger that has forgotten some time. It is true where the host's journal says
 * so too, and of steps that cannot have begun. Of the others it is only likely: their order counts as sent, to the journal that
 * the host had, so that no other may start it and a host that never answers ends `unknown` rather than `offline`.
 */
async function doubtSilentHosts(tx: Db, key: Key): Promise<void> {
  const [position] = (
    await tx.query<{ first: number | null }>(
      `select min(s.position) as first from step_execution s join host_result r on r.step_execution_id = s.id
         and r.scope_id = s.scope_id and r.execution_id = s.execution_id
       where s.scope_id = $1 and s.execution_id = $2 and host_state_rank(r.state) < 3`,
      [key.scopeId, key.executionId],
    )
  ).rows
  await tx.query(
    `update host_result r set state = 'dispatched', journal_id = h.journal_id, dispatches = 1, dispatched_at = now()
     from step_execution s, host h, execution e
     where r.scope_id = $1 and r.execution_id = $2 and r.state = 'pending' and e.scope_id = r.scope_id and e.id = r.execution_id
       and s.scope_id = r.scope_id and s.id = r.step_execution_id and h.scope_id = r.scope_id and h.id = r.host_id
       and h.journal_id is not null
       and e.created_at < (select max(at) from recovery)
       and (r.absent_at is null or r.absent_at < (select max(at) - interval '5 seconds' from recovery))
       and (s.position = $3 or exists (select from host_result o where o.scope_id = s.scope_id and o.execution_id = s.execution_id
         and o.step_execution_id = s.id and (o.started <> 'no' or o.dispatches > 0)))`,
    [key.scopeId, key.executionId, position?.first ?? 0],
  )
}

/** Locks held runs of a scope, oldest first: in the order in which every writer locks them. */
export async function lockHeldExecutions(tx: Db, scopeId: ScopeId, limit: number): Promise<Key[]> {
  const result = await tx.query<Key>(
    `select scope_id as "scopeId", id as "executionId" from execution
     where scope_id = $1 and state = 'paused' and reason = 'recovered' order by id limit $2 for no key update`,
    [scopeId, limit],
  )
  return result.rows
}

export async function countHeldExecutions(db: Db, scopeId: ScopeId): Promise<number> {
  const result = await db.query<{ n: number }>(
    `select count(*)::int as n from execution where scope_id = $1 and state = 'paused' and reason = 'recovered'`,
    [scopeId],
  )
  return one(result).n
}

/** An attempt that a host may be asked about. */
export interface RecoveredTask {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
  hostId: HostId
  attempt: number
  outputDay: string
}

/** What these hosts may be asked about, of runs that are held. */
export async function listRecoveredTasks(db: Db, hostIds: readonly HostId[]): Promise<RecoveredTask[]> {
  const result = await db.query<RecoveredTask>(
    `select scope_id as "scopeId", execution_id as "executionId", step_execution_id as "stepExecutionId", host_id as "hostId",
       attempt, output_day as "outputDay" from recovered_task where host_id = any($1) limit 20000`,
    [hostIds],
  )
  return result.rows
}

/** Notes that the journal of a host does not know an attempt. */
export async function writeAbsent(
  db: Db,
  task: { scopeId: ScopeId; executionId: string; stepExecutionId: string; hostId: HostId; attempt: number },
  epoch: string,
): Promise<void> {
  await db.query('select write_absent($1, $2, $3, $4, $5, $6)', [
    task.scopeId,
    task.executionId,
    task.stepExecutionId,
    task.hostId,
    task.attempt,
    epoch,
  ])
}
