/** A step that waits: a timer, which an operator's word interrupts. */
import { CancellationScope, condition, sleep } from '@temporalio/workflow'
import type { ClaimedStep, ExecutionRef } from '../activities/contract.js'
import { isFinalStepState } from '../domain/step-execution.js'
import type { RunState } from './run-state.js'
import type { Display } from './show.js'

/** Resolves when the step has its verdict; or, with false, when the history has become so long that a new one must go on. */
export async function waitStep(
  ref: ExecutionRef,
  step: ClaimedStep,
  run: RunState,
  display: Display,
): Promise<boolean> {
  const { stepExecutionId } = step
  for (;;) {
    await run.ledger.quiet()
    if (run.isLong) return false
    const seen = run.changes
    const ahead = run.takeAhead(stepExecutionId)
    const resolution =
      ahead && !run.isOlder(ahead.standing)
        ? ahead
        : await run.ledger.resolveShards({ ...ref, stepExecutionId, look: run.nextLook(), activeShards: [] })
    run.adopt(resolution.standing, new Map([[step, resolution.state]]))
    if (isFinalStepState(step.state)) return true
    run.waiting = run.paused
      ? 'paused by an operator: resume or cancel it'
      : `${step.name}: waiting for its time`
    display.show(run)
    await changeOr(() => run.changes !== seen || run.isLong, resolution.wakeInMs, step.name)
    run.waiting = undefined
  }
}

/** Whichever comes first; without a time only the change. The timer is taken away with it. */
async function changeOr(changed: () => boolean, ms: number | undefined, name: string): Promise<void> {
  if (ms === undefined) return condition(changed)
  const timer = new CancellationScope()
  const slept = timer
    .run(() => sleep(ms, { summary: `${name}: waiting for its time` }))
    .catch(() => undefined)
  await Promise.race([slept, condition(changed)])
  timer.cancel()
}
