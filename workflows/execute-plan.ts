/** The one workflow type: carries an execution of a plan from its claim to its end. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  workflowInfo,
} from '@temporalio/workflow'
import type { ExecutionRef } from '../activities/contract.js'
import { nextStep } from '../domain/execution.js'
import { isSuperseded } from './activities.js'
import type { ExecutePlanInput } from './messages.js'
import { handleOperations } from './operate.js'
import { RunState } from './run-state.js'
import { runStep } from './run-step.js'
import { Display } from './show.js'

/** How the run ended, for whoever looks at the workflow's result; the ledger is what counts. */
export interface ExecutePlanResult {
  state: string
  why?: string
}

export async function executePlan(input: ExecutePlanInput): Promise<ExecutePlanResult> {
  const run = new RunState()
  const { workflowId, firstExecutionRunId } = workflowInfo()
  const { scopeId, executionId } = input
  const ref = { scopeId, executionId, workflowId, firstRunId: firstExecutionRunId }
  handleOperations(ref, run)
  // A cancel from the engine's own UI must not tear the run down: it becomes a cancel like any other.
  let engineCancels = false
  CancellationScope.current().cancelRequested.catch(() => {
    engineCancels = true
    run.changes++
  })
  return CancellationScope.nonCancellable(async () => {
    let cancelWritten = false
    void condition(() => engineCancels && run.claim === 'taken')
      .then(() => cancel(ref, run))
      .then(() => {
        cancelWritten = true
      })
    try {
      const result = await interpret(input, ref, run)
      if (result) return result
      // What was asked of this run is done by this run: the next one knows only the rows.
      run.leaving = true
      await condition(() => allHandlersFinished() && engineCancels === cancelWritten)
      return await continueAsNew<typeof executePlan>(input)
    } catch (error) {
      if (!isSuperseded(error)) throw error
      await condition(allHandlersFinished)
      return { state: 'superseded' }
    }
  })
}

async function cancel(ref: ExecutionRef, run: RunState): Promise<void> {
  try {
    run.adopt(await run.ledger.cancelFromEngine(ref), new Map())
  } catch (error) {
    if (!isSuperseded(error)) throw error
  }
  run.changes++
}

/** @returns how the run ended; undefined when its history has become too long and a new one must go on */
async function interpret(
  input: ExecutePlanInput,
  ref: ExecutionRef,
  run: RunState,
): Promise<ExecutePlanResult | undefined> {
  const claim = await run.ledger.claimExecution({ ...ref, look: run.nextLook() })
  // Not the workflow fails with it but its task, which another worker may take.
  if (!claim.claimed && claim.isTooNew) throw new Error(claim.why)
  run.claim = claim.claimed ? 'taken' : 'refused'
  if (!claim.claimed) {
    await condition(allHandlersFinished)
    return { state: 'not claimed', why: claim.why }
  }
  run.actor = claim.actor
  run.historyMaxEvents = claim.historyMaxEvents ?? 0
  run.hosts = claim.hosts
  run.steps = claim.steps
  run.adopt(claim.standing, new Map())
  run.keepAhead(claim.next)
  const display = new Display()
  display.show(run)
  while (!run.ended) {
    await run.ledger.quiet()
    const next = nextStep(run.stepStates, run.cancelRequested)
    const step = next.do === 'run' ? run.steps[next.index] : undefined
    if (step) {
      const isDone = await runStep(ref, step, run, display)
      display.show(run)
      if (run.ended) break
      if (!isDone || run.isLong) return undefined
      continue
    }
    // An operation that came with the last step's end may have changed what comes next.
    const seen = run.changes
    await condition(allHandlersFinished)
    await run.ledger.quiet()
    if (seen !== run.changes) continue
    const ending = await run.ledger.endExecution(ref)
    if (ending.ended) run.keepAhead({ do: 'end', state: ending.state })
    else run.adopt(ending.standing, run.byStep(ending.steps))
  }
  await condition(allHandlersFinished)
  display.show(run, run.ended)
  return { state: run.ended }
}
