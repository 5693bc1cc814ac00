/** Runs that are undone: whether they can be now, and an undo that waits for the end of a cancel. The execution must be locked. */
import { goesOn } from '../../domain/continuation.js'
import type { ExecutionId, ScopeId } from '../../domain/id.js'
import type { OperationArgs } from '../../domain/operation.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { undoesOf } from '../../domain/step/step.js'
import { inPlay, isUndoing, UNDO_NOT_BEGUN, undoFault } from '../../domain/undo.js'
import { appendEvents } from './events.js'
import { type Execution, getExecution, listSteps, type StepExecution } from './executions.js'
import { reopenExecution } from './operate.js'
import { findPlan } from './plans.js'
import type { Db } from './pool.js'
import { listDisabled } from './script-uses.js'
import { beginUndo, tallyUndo } from './undo.js'

interface Undoing {
  execution: Execution
  steps: readonly StepExecution[]
  args: OperationArgs
  /** When the operator said it, if that was a while ago. */
  askedAt?: Date | undefined
}

interface Key {
  scopeId: ScopeId
  executionId: ExecutionId
}

/** Gives the undo of a run that has ended its hosts. @returns that the run has more to do now; or why nothing was done */
export async function undoRun(tx: Db, undoing: Undoing): Promise<{ goesOn: true } | { refuse: string }> {
  const { execution, steps, args } = undoing
  const plan = await mustFindPlan(tx, execution)
  const refuse = await whyNotUndone(tx, undoing, plan)
  if (refuse !== undefined) return { refuse }
  const key = { scopeId: execution.scopeId, executionId: execution.id }
  await beginUndo(tx, key, { plan, steps, includeUnknown: args.includeUnknown === true })
  return { goesOn: true }
}

/** Why a run cannot be undone as it is asked, if so. */
export async function whyNotUndone(
  db: Db,
  { execution, steps, args, askedAt }: Undoing,
  plan: CompiledPlan,
): Promise<string | undefined> {
  const tally = await tallyUndo(db, { scopeId: execution.scopeId, executionId: execution.id }, plan, askedAt)
  return standsFault(steps) ?? undoFault(args, tally) ?? disabledFault(db, execution, plan)
}

export async function mustFindPlan(db: Db, { scopeId, id, planHash }: Execution): Promise<CompiledPlan> {
  const plan = await findPlan(db, scopeId, planHash)
  if (!plan) throw new Error(`run r-${id} has no compiled plan`)
  return plan
}

/** Hosts that became known later are undone in the same order: not before what stands in their way. */
function standsFault(steps: readonly StepExecution[]): string | undefined {
  const inUndo = inPlay(steps)
  if (!isUndoing(steps) || goesOn(inUndo.map(({ state }) => state))) return undefined
  const stuck = inUndo.find(({ state }) => state === 'failed' || state === 'cancelled')
  return `the run is undone already as far as step ${(stuck?.position ?? 0) + 1}, which is ${stuck?.state}: retry its hosts, resume, ignore it, or skip it`
}

async function disabledFault(db: Db, execution: Execution, plan: CompiledPlan): Promise<string | undefined> {
  const ahead = plan.steps.flatMap((step, position) => (undoesOf(step) === undefined ? [] : [position]))
  const uses = await listDisabled(db, execution.scopeId, execution.planHash, ahead)
  return uses.length
    ? `${uses.join(', ')} ${uses.length === 1 ? 'was' : 'were'} disabled, and would undo a step`
    : undefined
}

/** Keeps an accepted undo until the cancel that it began with has ended the run. @param operationId left out: none is kept any more */
export async function keepUndo(tx: Db, key: Key, operationId?: string): Promise<void> {
  await tx.query('update execution set undo_operation = $3 where scope_id = $1 and id = $2', [
    key.scopeId,
    key.executionId,
    operationId ?? null,
  ])
}

/**
 * Begins the undo that a cancelled run was to have, now that none of its hosts is under way: in the transaction that would end it.
 * @returns whether the run goes on, by a workflow that the sweeper starts; the reason that it ends with otherwise, if it has one
 */
export async function beginKeptUndo(tx: Db, key: Key): Promise<{ goesOn: boolean; reason?: string }> {
  // An undo is kept by the cancel of its own transaction, and by no later one.
  const kept = await tx.query<{ args: OperationArgs; decidedAt: Date; scopeName: string }>(
    `select o.args, o.decided_at as "decidedAt", s.name as "scopeName" from execution e join scope s on s.id = e.scope_id
     join operation o on o.scope_id = e.scope_id and o.id = e.undo_operation and o.decided_at = e.cancel_requested_at
     where e.scope_id = $1 and e.id = $2`,
    [key.scopeId, key.executionId],
  )
  const [asked] = kept.rows
  const execution = asked && (await getExecution(tx, key.scopeId, key.executionId))
  if (!execution) return { goesOn: false }
  const steps = await listSteps(tx, key.scopeId, key.executionId)
  const done = await undoRun(tx, { execution, steps, args: asked.args, askedAt: asked.decidedAt })
  if ('refuse' in done) {
    const text = `the undo was not begun: ${done.refuse}`
    await appendEvents(tx, key.scopeId, key.executionId, [{ type: 'note', body: { text } }])
    return { goesOn: false, reason: UNDO_NOT_BEGUN }
  }
  await reopenExecution(tx, key, asked.scopeName, execution.continuation + 1)
  return { goesOn: true }
}
