/** New attempts of hosts in a step: the old one moves to host_attempt, where it stays readable. The execution must be locked. */
import type { HostState, Started } from '../../domain/host-result.js'
import type { ExecutionId, HostId, ScopeId } from '../../domain/id.js'
import { autoRetriedStates } from '../../domain/retry.js'
import { UNDO_LEFT_OUT } from '../../domain/undo.js'
import { appendEvents } from './events.js'
import type { StepExecution } from './executions.js'
import { appendHostEvents, type ChangedHost, returningChanged } from './ledger.js'
import type { Db } from './pool.js'

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

type Step = Pick<StepExecution, 'id'>

interface Which {
  states: readonly HostState[]
  started: readonly Started[]
  hostIds?: readonly HostId[]
  reasons?: readonly string[]
}

const whether: readonly Started[] = ['no', 'yes', 'maybe']

/**
 * Hosts of one step in these states run again. @param scriptSha256 hex, of what they run from now on; what they ran before if
 * left out. @returns how many
 */
export function retryHosts(
  tx: Db,
  key: Key,
  step: Step,
  { states, scriptSha256 }: { states: readonly HostState[]; scriptSha256?: string | undefined },
): Promise<number> {
  return begin(tx, key, step, { which: { states, started: whether }, scriptSha256 })
}

/**
 * Hosts that a cancel or a hard pause ended before their script began; with another script also those that have not begun:
 * an order of the old text that is under way is for the attempt before. @returns how many
 */
export async function resumeHosts(tx: Db, key: Key, step: Step, scriptSha256?: string): Promise<number> {
  const states = ['cancelled', ...(scriptSha256 === undefined ? [] : ['pending' as const])] as const
  return begin(tx, key, step, { which: { states, started: ['no'] }, scriptSha256 })
}

/** Hosts that get another attempt by themselves. @returns how many */
export function retryDueHosts(tx: Db, key: Key, step: Step, hostIds: readonly HostId[]): Promise<number> {
  return begin(tx, key, step, { which: { states: autoRetriedStates, started: ['yes'], hostIds } })
}

/** Hosts of a step whose condition is asked again. @returns how many */
export function reopenHosts(tx: Db, key: Key, step: Step): Promise<number> {
  const reasons = ['condition_not_met', 'condition_failed', 'plan_left']
  return begin(tx, key, step, { which: { states: ['skipped'], started: ['no'], reasons } })
}

/** Hosts that were left out of an undo, and are undone now. @returns how many */
export function giveLeftOut(tx: Db, key: Key, step: Step, hostIds: readonly HostId[]): Promise<number> {
  return begin(tx, key, step, {
    which: { states: ['skipped'], started: ['no'], hostIds, reasons: [UNDO_LEFT_OUT] },
  })
}

async function begin(
  tx: Db,
  key: Key,
  step: Step,
  { which, scriptSha256 }: { which: Which; scriptSha256?: string | undefined },
): Promise<number> {
  await keepAttempts(tx, key, step, which)
  const result = await tx.query(
    `update host_result set attempt = attempt + 1, state = 'pending', script_sha256 = coalesce(decode($8, 'hex'), script_sha256),
       reason = null, ended_at = null, ${untold} where ${where}`,
    [...paramsOf(key, step, which), scriptSha256 ?? null],
  )
  const retried = result.rowCount ?? 0
  if (retried) {
    const body = { stepExecutionId: step.id, retried }
    await appendEvents(tx, key.scopeId, key.executionId, [{ type: 'hosts', body }])
  }
  return retried
}

/** Ends that a skip takes out of the verdict. What succeeded, or may have run, is nothing to leave out. */
const skippable: readonly HostState[] = ['failed', 'timed_out', 'rejected', 'offline', 'cancelled']

/** Leaves hosts out of a step: what was not sent ends so, what ended badly gets an attempt that never starts. */
export async function skipHosts(tx: Db, key: Key, step: Step, hostIds: readonly HostId[]): Promise<void> {
  const params = [key.scopeId, key.executionId, step.id, hostIds]
  const skipped = `state = 'skipped', reason = 'host_skipped', ended_at = now()`
  const which = { states: skippable, started: whether, hostIds }
  const changed = await tx.query<ChangedHost>(
    `update host_result r set ${skipped}, started = 'no'
     where scope_id = $1 and execution_id = $2 and step_execution_id = $3 and host_id = any($4) and state = 'pending'
     ${returningChanged}`,
    params,
  )
  await keepAttempts(tx, key, step, which)
  const ended = await tx.query<ChangedHost>(
    `update host_result r set attempt = attempt + 1, ${skipped}, ${untold} where ${where} ${returningChanged}`,
    paramsOf(key, step, which),
  )
  await appendHostEvents(tx, [...changed.rows, ...ended.rows])
}

// What is known of an attempt that nothing was told of yet.
const untold = `started = 'no', detail = null, exit_code = null, signal = null, shard_id = null, gateway = null, epoch = null, journal_id = null,
  dispatched_at = null, dispatches = 0, started_at = null, duration_ms = null, stdout_bytes = null, stderr_bytes = null, output_sha256 = null, normalised_sha256 = null,
  truncated = false, resolved_at = null, unknown_at = null, unknown_reason = null, tag = null`

const where = `scope_id = $1 and execution_id = $2 and step_execution_id = $3 and state = any($4) and started = any($5)
  and ($6::bigint[] is null or host_id = any($6)) and ($7::text[] is null or reason = any($7))`

const paramsOf = (key: Key, step: Step, { states, started, hostIds, reasons }: Which) => [
  key.scopeId,
  key.executionId,
  step.id,
  states,
  started,
  hostIds ?? null,
  reasons ?? null,
]

const kept = `attempt, started, detail, exit_code, signal, gateway, dispatched_at, started_at, duration_ms, stdout_bytes, stderr_bytes,
  output_sha256, normalised_sha256, truncated, resolved_at, unknown_at, unknown_reason, script_sha256, tag, journal_id`

/** One that was sent nothing and will not be ends as left out: its script was edited. */
async function keepAttempts(tx: Db, key: Key, step: Step, which: Which): Promise<void> {
  await tx.query(
    `insert into host_attempt (scope_id, execution_id, step_execution_id, host_id, ${kept}, state, reason, ended_at)
     select scope_id, execution_id, step_execution_id, host_id, ${kept}, case when state = 'pending' then 'skipped' else state end,
       case when state = 'pending' then 'script_edited' else reason end, case when state = 'pending' then now() else ended_at end
     from host_result where ${where}`,
    paramsOf(key, step, which),
  )
}
