/** The one workflow type: carries an execution of a plan from its claim to its end. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  workflowInfo,
} from '@temporalio/workflow'
import type { Advance, ExecutionRef } from '../activities/contract.js'
import { isSuperseded, ledger } from './activities.js'
import type { ExecutePlanInput } from './messages.js'
import { handleOperations } from './operate.js'
import { RunState } from './run-state.js'
import { Display } from './show.js'
import { UnderWay } from './under-way.js'

/** How the run ended, for whoever looks at the workflow's result; the ledger is what counts. */
export interface ExecutePlanResult {
  state: string
  why?: string
}

export async function executePlan(input: ExecutePlanInput): Promise<ExecutePlanResult> {
  const run = new RunState()
  handleOperations(run)
  // A cancel from the engine's own UI must not tear the run down: it becomes a cancel like any other.
  let engineCancelled = false
  CancellationScope.current().cancelRequested.catch(() => {
    engineCancelled = true
  })
  return CancellationScope.nonCancellable(async () => {
    let result: ExecutePlanResult | undefined
    try {
      result = await carry(input, run, () => engineCancelled)
    } catch (error) {
      if (!isSuperseded(error)) throw error
      result = { state: 'superseded' }
    }
    run.over = result ? 'ended' : 'moved'
    await condition(allHandlersFinished)
    return result ?? continueAsNew<typeof executePlan>(input)
  })
}

/**
 * Resolves when those whose operations were decided have their answers. An answer to them is a command like any other: whatever
 * comes after it in a history must come after it whenever the update came.
 */
async function toldToAskers(): Promise<void> {
  // Their conditions are looked at first, and what they lead to comes before the second look.
  await nextPass()
  await nextPass()
}

/** A condition that is not met at once is looked at again when nothing else of this activation is left to do. */
async function nextPass(): Promise<void> {
  let looked = false
  await condition(() => looked || !(looked = true))
}

/** @returns how the run ended; undefined when its history has become too long and a new one must go on */
async function carry(
  { scopeId, executionId }: ExecutePlanInput,
  run: RunState,
  engineCancelled: () => boolean,
): Promise<ExecutePlanResult | undefined> {
  const { workflowId, firstExecutionRunId } = workflowInfo()
  const ref: ExecutionRef = { scopeId, executionId, workflowId, firstRunId: firstExecutionRunId }
  const claim = await ledger.claimExecution({ ...ref, look: run.nextLook() })
  // Not the workflow fails with it but its task, which another worker may take.
  if (!claim.claimed && claim.isTooNew) throw new Error(claim.why)
  if (!claim.claimed) return { state: 'not claimed', why: claim.why }
  const { actor, hosts, steps, historyMaxEvents = 0 } = claim
  Object.assign(run, { actor, hosts, steps, historyMaxEvents })
  const underWay = new UnderWay(ref)
  const display = new Display()
  for (let answer: Advance = claim.advance; ; ) {
    run.adopt(answer)
    if (answer.outcomes.length) await toldToAskers()
    display.show(run, answer.ended)
    if (answer.ended) return { state: answer.ended }
    if (answer.known.leave) return undefined
    underWay.begin(answer, steps[answer.step?.position ?? -1]?.name ?? '')
    const { known, again } = answer
    const hasNews = () =>
      again === true ||
      run.asked.size > 0 ||
      underWay.hasNews(answer) ||
      (engineCancelled() && !known.engineCancelled)
    await condition(hasNews)
    answer = await ledger.advance({
      ...ref,
      ...underWay.known,
      look: run.nextLook(),
      operations: [...run.asked],
      engineCancelled: engineCancelled(),
      leave: run.isLong,
    })
  }
}
