/** Undo of a run that has ended, in the transaction that takes it up again. */
import { goesOn } from '../../domain/continuation.js'
import type { OperationArgs } from '../../domain/operation.js'
import type { CompiledPlan } from '../../domain/plan.js'
import { undoesOf } from '../../domain/step/step.js'
import { inPlay, isUndoing, undoFault } from '../../domain/undo.js'
import type { Execution, StepExecution } from '../../store/postgres/executions.js'
import { findPlan } from '../../store/postgres/plans.js'
import type { Db } from '../../store/postgres/pool.js'
import { listDisabled } from '../../store/postgres/script-uses.js'
import { beginUndo, tallyUndo } from '../../store/postgres/undo.js'

interface Ended {
  execution: Execution
  steps: readonly StepExecution[]
  args: OperationArgs
}

/** @returns that the run has more to do now; or why nothing was done */
export async function undoEnded(tx: Db, ended: Ended): Promise<{ goesOn: true } | { refuse: string }> {
  const { execution, steps, args } = ended
  const plan = await mustFindPlan(tx, execution)
  const refuse = await whyNotUndone(tx, ended, plan)
  if (refuse !== undefined) return { refuse }
  const key = { scopeId: execution.scopeId, executionId: execution.id }
  await beginUndo(tx, key, { plan, steps, includeUnknown: args.includeUnknown === true })
  return { goesOn: true }
}

/** Why a run that has ended cannot be undone as it is asked, if so. */
export async function whyNotUndone(
  db: Db,
  { execution, steps, args }: Ended,
  plan: CompiledPlan,
): Promise<string | undefined> {
  const tally = await tallyUndo(db, { scopeId: execution.scopeId, executionId: execution.id }, plan)
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
