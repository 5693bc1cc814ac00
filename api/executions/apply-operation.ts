/** What an operation does at once, in the transaction that writes its row: refuse, cancel, or reopen what has ended. */
import { stepsAhead } from '../../domain/continuation.js'
import { HELD_BY_RECOVERY, isFinalExecutionState, isHeldByRecovery } from '../../domain/execution.js'
import type { ExecutionId } from '../../domain/id.js'
import { type OperationArgs, type OperationKind, routeOperation, viewOf } from '../../domain/operation.js'
import {
  type Execution,
  listSteps,
  lockExecution,
  type StepExecution,
} from '../../store/postgres/executions.js'
import { releaseExecution } from '../../store/postgres/held-runs.js'
import { sendHint } from '../../store/postgres/hints.js'
import { reopenExecution, requestCancel } from '../../store/postgres/operate.js'
import { decideOperation, getOperation, markTold } from '../../store/postgres/operations.js'
import { listDisabled } from '../../store/postgres/script-uses.js'
import type { Db } from '../../store/postgres/pool.js'
import type { Scope } from '../../store/postgres/scopes.js'
import { keepUndo, mustFindPlan, undoRun, whyNotUndone } from '../../store/postgres/undone-runs.js'
import { applyToEnded } from './apply-to-ended.js'
import { executionUnknown } from './find-execution.js'

export interface Request {
  operationId: string
  executionId: string
  kind: OperationKind
  args: OperationArgs
}

/** `live`: the running workflow must answer; `decided`: it was already, and nothing was done now. */
export type Applied = 'live' | 'decided' | 'refused' | 'cancelling' | 'continued'

/**
 * The operation's row must be there. Decides it unless only the running workflow can.
 * @throws PlatformError execution_unknown
 */
export async function applyOperation(tx: Db, scope: Scope, request: Request): Promise<Applied> {
  const { kind, args } = request
  const execution = await lockExecution(tx, scope.id, request.executionId as ExecutionId)
  if (!execution) throw executionUnknown(request.executionId)
  // A repeated request may come when the run has long gone on from what it asked for.
  if ((await getOperation(tx, scope.id, request.operationId))?.state !== 'requested') return 'decided'
  // A cancel asks nothing of the steps, whose hosts are many.
  const steps = kind === 'cancel' ? [] : await listSteps(tx, scope.id, execution.id)
  const disabled = await disabledAhead(tx, execution, steps, request)
  if (disabled) return refuse(tx, scope, request, disabled)
  if (isHeldByRecovery(execution)) return applyToHeld(tx, scope, execution, request)
  const route = routeOperation(kind, args, viewOf(execution, steps))
  if (route.route === 'refuse') return refuse(tx, scope, request, route.why)
  if (kind === 'cancel') return cancel(tx, scope, execution, request)
  if (kind === 'undo' && route.route === 'live') return undoPaused(tx, scope, { execution, steps }, request)
  if (route.route === 'live') return 'live'
  if (kind === 'pause') return refuse(tx, scope, request, `the run has already ended (${execution.state})`)
  const done =
    kind === 'undo'
      ? await undoRun(tx, { execution, steps, args })
      : await applyToEnded(tx, { execution, steps, kind, args })
  if ('refuse' in done) return refuse(tx, scope, request, done.refuse)
  if (done.goesOn) {
    const key = { scopeId: scope.id, executionId: execution.id }
    await reopenExecution(tx, key, scope.name, execution.continuation + 1)
  }
  await decideOperation(tx, scope.id, request.operationId, { state: 'accepted' })
  // Whoever takes the run up goes by its rows.
  await markTold(tx, scope.id, request.operationId)
  return done.goesOn ? 'continued' : 'decided'
}

/** Why a run may not go on after all: a script of a step that is still to run was disabled since. */
async function disabledAhead(
  tx: Db,
  { scopeId, planHash, state }: Execution,
  steps: readonly StepExecution[],
  { kind, args }: Request,
): Promise<string | undefined> {
  const ended = isFinalExecutionState(state)
  const ahead = stepsAhead(kind, args, { ended, steps })
  const uses = ahead.length ? await listDisabled(tx, scopeId, planHash, ahead) : []
  if (!uses.length) return undefined
  return `${uses.join(', ')} ${uses.length === 1 ? 'was' : 'were'} disabled: skip that step, or launch anew`
}

/** Nobody carries it, and nothing but a person's word lets it go on or end. */
async function applyToHeld(tx: Db, scope: Scope, execution: Execution, request: Request): Promise<Applied> {
  const { kind } = request
  if (kind !== 'resume' && kind !== 'cancel') {
    return refuse(tx, scope, request, HELD_BY_RECOVERY)
  }
  const key = { scopeId: scope.id, executionId: execution.id }
  await releaseExecution(tx, key)
  // In one transaction with the release: nothing can start between the two.
  if (kind === 'cancel') {
    await requestCancel(tx, key)
    await keepUndo(tx, key)
  }
  await decideOperation(tx, scope.id, request.operationId, { state: 'accepted' })
  await markTold(tx, scope.id, request.operationId)
  await sendHint(tx, 'flags', execution.id)
  return 'continued'
}

async function refuse(tx: Db, scope: Scope, request: Request, reason: string): Promise<Applied> {
  await decideOperation(tx, scope.id, request.operationId, { state: 'refused', reason })
  return 'refused'
}

/** A row before it is an update: from the commit on no gateway sends an order of this execution. */
async function cancel(tx: Db, scope: Scope, execution: Execution, request: Request): Promise<Applied> {
  const key = { scopeId: scope.id, executionId: execution.id }
  await requestCancel(tx, key)
  // A cancel by itself wins over an undo that was to follow an earlier one.
  await keepUndo(tx, key, request.kind === 'undo' ? request.operationId : undefined)
  await decideOperation(tx, scope.id, request.operationId, { state: 'accepted' })
  await sendHint(tx, 'flags', execution.id)
  return 'cancelling'
}

/** Cancels a run that is held, and undoes it in the transaction that ends the cancel, when no host is under way any more. */
async function undoPaused(
  tx: Db,
  scope: Scope,
  { execution, steps }: { execution: Execution; steps: readonly StepExecution[] },
  request: Request,
): Promise<Applied> {
  const plan = await mustFindPlan(tx, execution)
  const why = await whyNotUndone(tx, { execution, steps, args: request.args }, plan)
  if (why !== undefined) return refuse(tx, scope, request, why)
  return cancel(tx, scope, execution, request)
}
