/** Executions: reading them, and their way from pending to an end. */
import type { ExecutionState } from '../../domain/execution.js'
import type { HostCounts } from '../../domain/host-result.js'
import type { ExecutionId, ScopeId, StepExecutionId } from '../../domain/id.js'
import type { OnFailure, StepState } from '../../domain/step-execution.js'
import type { StepType } from '../../domain/step/step.js'
import { tellNumbered } from './events.js'
import { type Db, one } from './pool.js'

export interface Execution {
  id: ExecutionId
  scopeId: ScopeId
  name: string
  state: ExecutionState
  reason: string | null
  planHash: Buffer
  workflowId: string
  runId: string | null
  continuation: number
  trigger: 'api' | 'schedule' | 'nested'
  launchedBy: string
  target: string
  hosts: number
  pause: 'soft' | 'hard' | null
  /** The step that an operator goes past, while what is left of it is being ended. */
  endingStep: StepExecutionId | null
  cancelRequestedAt: Date | null
  expiresAt: Date
  /** How long its orders are good, from each launch and continuation on. */
  expiresInMs: number
  outputDay: string
  createdAt: Date
  startedAt: Date | null
  endedAt: Date | null
  lastSeq: string
}

export interface StepExecution {
  id: StepExecutionId
  path: string
  position: number
  type: StepType
  name: string
  state: StepState
  reason: string | null
  hosts: number
  startedAt: Date | null
  endedAt: Date | null
  counts: HostCounts
  /** An operator has said that its failures do not count. */
  failureIgnored: boolean
  /** Position of the step that it takes back; null of the steps that a run goes through by itself. */
  undoes: number | null
}

/** Of an execution `e`, and the principal `p` who launched it. */
export const executionColumns = `e.id, e.scope_id as "scopeId", e.name, e.state, e.reason, e.plan_hash as "planHash", e.workflow_id as "workflowId",
  e.run_id as "runId", e.continuation, e.trigger, p.name as "launchedBy", e.target, e.hosts, e.pause, e.ending_step as "endingStep",
  e.cancel_requested_at as "cancelRequestedAt", e.expires_at as "expiresAt", e.expires_in_ms::float8 as "expiresInMs", e.output_day as "outputDay", e.created_at as "createdAt",
  e.started_at as "startedAt", e.ended_at as "endedAt", (e.next_seq - 1)::text as "lastSeq"`

const stepColumns = `s.id, s.path, s.position, s.type, s.name, s.state, s.reason, s.hosts, s.started_at as "startedAt", s.ended_at as "endedAt",
  s.failure_ignored as "failureIgnored", s.undoes, coalesce((select jsonb_object_agg(c.state, c.n) from (
    select r.state, count(*) as n from host_result r
    where r.scope_id = s.scope_id and r.execution_id = s.execution_id and r.step_execution_id = s.id group by r.state) c), '{}') as counts`

interface StepKey {
  scopeId: ScopeId
  executionId: ExecutionId
  stepExecutionId: StepExecutionId
}

export async function getExecution(
  db: Db,
  scopeId: ScopeId,
  id: ExecutionId,
): Promise<Execution | undefined> {
  const result = await db.query<Execution>(
    `select ${executionColumns} from execution e join principal p on p.id = e.launched_by where e.scope_id = $1 and e.id = $2`,
    [scopeId, id],
  )
  return result.rows[0]
}

/**
 * The same, holding its row until the transaction ends. Everything that changes an execution takes this lock first, before
 * rows of operations, steps and hosts. It leaves room for the foreign keys of new rows, whose own lock it would wait for.
 */
export async function lockExecution(
  tx: Db,
  scopeId: ScopeId,
  id: ExecutionId,
): Promise<Execution | undefined> {
  const result = await tx.query<Execution>(
    `select ${executionColumns} from execution e join principal p on p.id = e.launched_by
     where e.scope_id = $1 and e.id = $2 for no key update of e`,
    [scopeId, id],
  )
  return result.rows[0]
}

/** The database's clock, one for all workers. Read under an execution's lock, it tells what was ordered before what. */
export async function readClock(db: Db): Promise<Date> {
  return one(await db.query<{ now: Date }>('select clock_timestamp() as now')).now
}

/** Executions, newest first, older than a cursor. */
export async function listExecutions(
  db: Db,
  scopeId: ScopeId,
  page: { before: string; limit: number; states?: ExecutionState[] | undefined },
): Promise<Execution[]> {
  const result = await db.query<Execution>(
    `select ${executionColumns} from execution e join principal p on p.id = e.launched_by
     where e.scope_id = $1 and e.id < $2 and ($4::text[] is null or e.state = any($4)) order by e.id desc limit $3`,
    [scopeId, page.before, page.limit, page.states ?? null],
  )
  return result.rows
}

/** Which open executions are meant; a field that is left out takes all. */
export interface OpenFilter {
  states?: readonly ExecutionState[] | undefined
  /** Of the run: a plan's is `job/plan`. */
  name?: string | undefined
  /** Name of a principal. */
  launchedBy?: string | undefined
  /** Since its launch. */
  olderThanMs?: number | undefined
}

/** Executions that have not ended and were not told to, or are to be undone after that, oldest first. */
export async function listOpen(
  db: Db,
  scopeId: ScopeId,
  filter: OpenFilter,
  limit: number,
): Promise<ExecutionId[]> {
  const result = await db.query<{ id: ExecutionId }>(
    `select e.id from execution e join principal p on p.id = e.launched_by
     where e.scope_id = $1 and e.state not in ('succeeded', 'failed', 'cancelled')
       and (e.cancel_requested_at is null or e.undo_operation is not null)
       and ($2::text[] is null or e.state = any($2)) and ($3::text is null or e.name = $3)
       and ($4::text is null or p.name = $4) and ($5::float8 is null or e.created_at < now() - $5 * interval '1 ms')
     order by e.id limit $6`,
    [
      scopeId,
      filter.states ?? null,
      filter.name ?? null,
      filter.launchedBy ?? null,
      filter.olderThanMs ?? null,
      limit,
    ],
  )
  return result.rows.map((row) => row.id)
}

/** An execution's steps in order, with their hosts counted by state. Throws if a host is missing or counted twice. */
export async function listSteps(
  db: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
): Promise<StepExecution[]> {
  const result = await db.query<StepExecution>(
    `select ${stepColumns} from step_execution s where s.scope_id = $1 and s.execution_id = $2 order by s.position`,
    [scopeId, executionId],
  )
  for (const step of result.rows) assertConservation(step)
  return result.rows
}

/** One step, with its hosts counted by state. Throws if a host is missing or counted twice. */
export async function getStep(db: Db, step: StepKey): Promise<StepExecution | undefined> {
  const result = await db.query<StepExecution>(
    `select ${stepColumns} from step_execution s where s.scope_id = $1 and s.execution_id = $2 and s.id = $3`,
    [step.scopeId, step.executionId, step.stepExecutionId],
  )
  for (const row of result.rows) assertConservation(row)
  return result.rows[0]
}

/** A step without its hosts: what is asked of it at each look. */
export interface StepStanding
  extends Pick<StepExecution, 'id' | 'position' | 'type' | 'name' | 'state' | 'hosts'> {
  /** When a wait that has begun is over. */
  wakeAt: Date | null
  /** How long a host waits after each attempt for the next one that it gets by itself. */
  retryDelaysMs: number[]
  /** Under which it runs at all. */
  condition: string | null
  /** What failed hosts make of it. */
  onFailure: OnFailure
  undoes: number | null
  /** How long its hosts may be away; null: as long as anywhere. */
  awayMs: number | null
  /** Whether its hosts are taken from earlier steps, and when they were. */
  takesHosts: boolean
  takenAt: Date | null
  /** How many of its hosts may be under way at once, once a look has told; null: all of them. */
  places: number | null
  /** Of these, how many hosts hold that are under way in no shard, as its last look found them. */
  placesAway: number
}

const standingColumns = `id, position, type, name, state, hosts, wake_at as "wakeAt", retry_delays_ms::float8[] as "retryDelaysMs",
  condition, on_failure as "onFailure", undoes, away_ms::float8 as "awayMs", takes_hosts as "takesHosts", taken_at as "takenAt",
  places, places_away as "placesAway"`

/** The steps of an execution, in order. */
export async function listStepStandings(
  db: Db,
  execution: { scopeId: ScopeId; executionId: ExecutionId },
): Promise<StepStanding[]> {
  const result = await db.query<StepStanding>(
    `select ${standingColumns} from step_execution where scope_id = $1 and execution_id = $2 order by position`,
    [execution.scopeId, execution.executionId],
  )
  return result.rows
}

export async function findStepStanding(db: Db, step: StepKey): Promise<StepStanding | undefined> {
  const result = await db.query<StepStanding>(
    `select ${standingColumns} from step_execution where scope_id = $1 and execution_id = $2 and id = $3`,
    [step.scopeId, step.executionId, step.stepExecutionId],
  )
  return result.rows[0]
}

export async function setWakeTime(tx: Db, step: StepKey, wakeAt: Date): Promise<void> {
  await tx.query('update step_execution set wake_at = $3 where scope_id = $1 and id = $2', [
    step.scopeId,
    step.stepExecutionId,
    wakeAt,
  ])
}

// The conservation law of design 2: a host that is lost from the counts must never pass for a small run.
function assertConservation(step: StepExecution): void {
  const counted = Object.values(step.counts).reduce((sum, n) => sum + n, 0)
  if (counted !== step.hosts)
    throw new Error(`step execution ${step.id} has ${step.hosts} hosts but ${counted} results`)
}

/** The step at a position, counted from 0. */
export async function findStep(
  db: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
  position: number,
): Promise<StepExecutionId | undefined> {
  const result = await db.query<{ id: StepExecutionId }>(
    'select id from step_execution where scope_id = $1 and execution_id = $2 and position = $3',
    [scopeId, executionId, position],
  )
  return result.rows[0]?.id
}

/** Gives an execution to the chain of runs that `firstRunId` began; nothing if another one has it, or another workflow is to. */
export async function claimExecution(
  tx: Db,
  key: { scopeId: ScopeId; executionId: ExecutionId },
  owner: { workflowId: string; firstRunId: string },
): Promise<(Execution & { irVersion: number }) | undefined> {
  const result = await tx.query<Execution & { irVersion: number }>(
    `update execution e set run_id = $4 from principal p, plan_ir i
     where e.scope_id = $1 and e.id = $2 and e.workflow_id = $3 and (e.run_id is null or e.run_id = $4)
       and not (e.state = 'paused' and coalesce(e.reason, '') = 'recovered')
       and p.id = e.launched_by and i.scope_id = e.scope_id and i.hash = e.plan_hash
     returning ${executionColumns}, i.ir_version as "irVersion"`,
    [key.scopeId, key.executionId, owner.workflowId, owner.firstRunId],
  )
  return result.rows[0]
}

/** Moves an execution on, with an event; false if it has already ended. */
export async function setExecutionState(
  tx: Db,
  key: { scopeId: ScopeId; executionId: ExecutionId },
  state: ExecutionState,
  reason?: string,
): Promise<boolean> {
  const ends = ['succeeded', 'failed', 'cancelled'].includes(state)
  const result = await tx.query(
    `with numbered as (
       update execution set state = $3, reason = $4, started_at = coalesce(started_at, now()), ended_at = case when $5 then now() end,
         next_seq = next_seq + 1
       where scope_id = $1 and id = $2::bigint and state not in ('succeeded', 'failed', 'cancelled')
         and (state, reason) is distinct from ($3::text, $4::text)
       returning state, reason, next_seq - 1 as seq),
     ${tellNumbered('execution', `jsonb_build_object('state', state, 'reason', reason)`)}`,
    [key.scopeId, key.executionId, state, reason ?? null, ends],
  )
  return result.rowCount === 1
}

/** Moves a step on, with an event; false if nothing changed, as when it has ended. */
export function setStepState(tx: Db, key: StepKey, state: StepState, reason?: string): Promise<boolean> {
  return moveStep(tx, key, { state, reason, from: `state not in (${finalStates})` })
}

/** The same for a step that may have ended: only an operation may take it back, or past its end. */
export function overrideStepState(tx: Db, key: StepKey, state: StepState, reason?: string): Promise<boolean> {
  return moveStep(tx, key, { state, reason, from: 'true' })
}

const finalStates = `'succeeded', 'failed', 'cancelled', 'skipped', 'ignored'`

async function moveStep(
  tx: Db,
  key: StepKey,
  move: { state: StepState; reason: string | undefined; from: string },
): Promise<boolean> {
  const { state, reason, from } = move
  const result = await tx.query(
    `with moved as (
       update step_execution set state = $4, reason = $5, ended_at = case when $4 in (${finalStates}) then now() end,
         wake_at = case when $4 <> 'pending' then wake_at end,
         started_at = case when $4 in ('pending', 'skipped') then started_at else coalesce(started_at, now()) end
       where scope_id = $1 and id = $3 and ${from} and (state, reason) is distinct from ($4::text, $5::text)
       returning id, position, name, state, reason),
     numbered as (
       update execution e set next_seq = e.next_seq + 1 from moved m where e.scope_id = $1 and e.id = $2::bigint
       returning m.*, e.next_seq - 1 as seq),
     ${tellNumbered(
       'step',
       `jsonb_build_object('stepExecutionId', id::text, 'position', position, 'name', name, 'state', state, 'reason', reason)`,
     )}`,
    [key.scopeId, key.executionId, key.stepExecutionId, state, reason ?? null],
  )
  return result.rowCount === 1
}
