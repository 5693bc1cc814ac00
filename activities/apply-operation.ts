/** Applies an operation to a running execution, and decides it: once, whoever asks again gets the same answer. */
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import { retriedStates, summarize } from '../domain/host-result.js'
import { routeOperation, unknownFault } from '../domain/operation.js'
import type { StepState } from '../domain/step-execution.js'
import {
  type Execution,
  listSteps,
  setExecutionState,
  setStepState,
  type StepExecution,
} from '../store/postgres/executions.js'
import {
  clearPause,
  requestCancel,
  requestPause,
  resumeHosts,
  retryHosts,
  skipStep,
  statesToRetry,
} from '../store/postgres/operate.js'
import { decideOperation, getOperation, type Operation } from '../store/postgres/operations.js'
import type { Db } from '../store/postgres/pool.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities, OperationOutcome } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { type Key, lockOwned, readStanding, standingOf } from './owner.js'

export function createApplyOperation({ pool }: ControlDependencies): ControlActivities['applyOperation'] {
  return (input) =>
    transaction(pool, async (tx): Promise<OperationOutcome> => {
      const { key, execution } = await lockOwned(tx, input)
      const operation = await getOperation(tx, key.scopeId, input.operationId)
      if (!operation)
        throw new PlatformError('execution_unknown', `there is no operation ${input.operationId}`)
      if (operation.state === 'requested' && isFinalExecutionState(execution.state))
        return { state: 'ended', steps: [], standing: standingOf(execution) }
      if (operation.state === 'requested') await decide(tx, key, execution, operation)
      const decided = await getOperation(tx, key.scopeId, input.operationId)
      const steps: StepState[] = (await listSteps(tx, key.scopeId, key.executionId)).map((step) => step.state)
      return {
        state: decided?.state === 'accepted' ? 'accepted' : 'refused',
        reason: decided?.reason ?? undefined,
        steps,
        standing: await readStanding(tx, key),
      }
    })
}

async function decide(tx: Db, key: Key, execution: Execution, operation: Operation): Promise<void> {
  const steps = await listSteps(tx, key.scopeId, key.executionId)
  const view = {
    execution: execution.state,
    cancelRequested: execution.cancelRequestedAt !== null,
    steps: steps.map((step) => step.state),
  }
  const route = routeOperation(operation.kind, operation.args, view)
  const why = route.route === 'refuse' ? route.why : await apply(tx, key, steps, operation)
  await decideOperation(
    tx,
    key.scopeId,
    operation.id,
    why === undefined ? { state: 'accepted' } : { state: 'refused', reason: why },
  )
}

/** @returns why it cannot be done after all, or undefined when it was */
async function apply(
  tx: Db,
  key: Key,
  steps: readonly StepExecution[],
  operation: Operation,
): Promise<string | undefined> {
  const running = steps.find((step) => ['running', 'waiting', 'paused'].includes(step.state))
  switch (operation.kind) {
    case 'cancel':
      await requestCancel(tx, key)
      return undefined
    case 'pause':
      await requestPause(tx, key, operation.args.hard === true)
      await setExecutionState(tx, key, 'paused', `by ${operation.principal}`)
      if (running)
        await setStepState(tx, { ...key, stepExecutionId: running.id }, 'paused', `by ${operation.principal}`)
      return undefined
    case 'resume':
      await clearPause(tx, key)
      await setExecutionState(tx, key, 'running')
      if (!running) return undefined
      // A hard pause ended those that waited at their agents: no script of theirs began.
      await resumeHosts(tx, key, running)
      await setStepState(tx, { ...key, stepExecutionId: running.id }, 'running')
      return undefined
    case 'retry': {
      const states = statesToRetry(operation.args.includeUnknown === true)
      if (!running || summarize(running.counts).bad === 0) return 'no host of the running step has failed yet'
      const fault = unknownFault(operation.args, running.counts.unknown ?? 0)
      if (fault) return fault
      const retried = await retryHosts(tx, key, running, states)
      return retried
        ? undefined
        : `no host of the running step is in one of ${retriedStates.join(', ')}; unknown outcomes are retried only when asked for`
    }
    case 'skip': {
      const step = steps[operation.args.step ?? -1]
      if (!step) return 'there is no such step'
      await skipStep(tx, key, step)
      return undefined
    }
  }
}
