/** The one workflow type: carries an execution of a plan from its claim to its end. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  workflowInfo,
} from '@temporalio/workflow'
import { nextStep } from '../domain/execution.js'
import { ledger } from './activities.js'
import { FanOut } from './fan-out.js'
import type { ExecutePlanInput } from './messages.js'
import { handleOperations } from './operate.js'
import { RunState } from './run-state.js'
import { Display } from './show.js'

/** How the run ended, for whoever looks at the workflow's result; the ledger is what counts. */
export interface ExecutePlanResult {
  state: string
  why?: string
}

export async function executePlan(input: ExecutePlanInput): Promise<ExecutePlanResult> {
  const run = new RunState()
  handleOperations(input, run)
  // A cancel from the engine's own UI must not tear the run down: it becomes a cancel like any other.
  let engineCancels = false
  CancellationScope.current().cancelRequested.catch(() => {
    engineCancels = true
    run.changes++
  })
  return CancellationScope.nonCancellable(async () => {
    void condition(() => engineCancels).then(async () => {
      await ledger.cancelFromEngine(input)
      run.cancelRequested = true
      run.changes++
    })
    return interpret(input, run)
  })
}

async function interpret(input: ExecutePlanInput, run: RunState): Promise<ExecutePlanResult> {
  const ref = { scopeId: input.scopeId, executionId: input.executionId }
  const claim = await ledger.claimExecution({ ...ref, firstRunId: workflowInfo().firstExecutionRunId })
  if (!claim.claimed) return { state: 'not claimed', why: claim.why }
  run.name = claim.name
  run.actor = claim.actor
  run.hosts = claim.hosts
  run.steps = claim.steps
  run.paused ||= claim.paused
  run.cancelRequested ||= claim.cancelRequested
  const display = new Display()
  display.show(run)
  for (;;) {
    const next = nextStep(run.stepStates, run.cancelRequested)
    const step = next.do === 'run' ? run.steps[next.index] : undefined
    if (step) {
      await new FanOut(ref, step, run, display).finish()
      display.show(run)
      if (workflowInfo().continueAsNewSuggested) {
        await condition(allHandlersFinished)
        await continueAsNew<typeof executePlan>(input)
      }
      continue
    }
    // An operation that came with the last step's end may have changed what comes next.
    const seen = run.changes
    await condition(allHandlersFinished)
    if (next.do !== 'end' || seen !== run.changes) continue
    await ledger.endExecution({ ...ref, state: next.state })
    await condition(allHandlersFinished)
    display.show(run, next.state)
    return { state: next.state }
  }
}
