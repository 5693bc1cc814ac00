/** Operations: what a person may do to an execution while it runs or after it ended. */
import { type ExecutionState, isFinalExecutionState } from './execution.js'
import type { StepState } from './step-execution.js'

export const operationKinds = ['cancel', 'pause', 'resume', 'retry', 'skip'] as const
export type OperationKind = (typeof operationKinds)[number]

export const seenRuns = ['open', 'ended'] as const

export interface OperationArgs {
  /** pause: also stop what runs. */
  hard?: boolean | undefined
  /** skip: which step, by its position from 0. */
  step?: number | undefined
  /** retry: take hosts with an unknown outcome too; their script may have run. */
  includeUnknown?: boolean | undefined
  /** With includeUnknown: how many they were when the operator looked. */
  unknownHosts?: number | undefined
  /** Why it is done, in the operator's words. */
  why?: string | undefined
  /** What the operator saw: a run that was still open, or one that had ended. */
  seen?: (typeof seenRuns)[number] | undefined
}

/** What the engine is told: histories hold references and numbers, not the words of people. */
export function argsForEngine({ why: _why, ...args }: OperationArgs): OperationArgs {
  return args
}

/**
 * Why hosts with an unknown outcome are not retried after all, if so: their number is another one than was said. One of
 * them may have become known since the operator looked, and must not be started again by a word that was about others.
 */
export function unknownFault(args: OperationArgs, unknown: number): string | undefined {
  if (!args.includeUnknown || args.unknownHosts === unknown) return undefined
  return `the outcome of ${unknown} ${unknown === 1 ? 'host' : 'hosts'} is unknown now, not of ${args.unknownHosts ?? 'a number that was said'}: look again`
}

export interface OperationView {
  execution: ExecutionState
  cancelRequested: boolean
  steps: readonly StepState[]
}

/** Whether `kind` can be done now: `live` goes to the running workflow, `continue` starts a continuation. */
export type OperationRoute = { route: 'live' | 'continue' } | { route: 'refuse'; why: string }

const refuse = (why: string): OperationRoute => ({ route: 'refuse', why })

/** Reason of an operation that the engine could not be asked about in time. */
export const ENGINE_AWAY = 'unavailable'

/** Decides an operation's way; the same rule answers the API and the workflow's validators. */
export function routeOperation(
  kind: OperationKind,
  args: OperationArgs,
  view: OperationView,
): OperationRoute {
  const ended = isFinalExecutionState(view.execution)
  const seenEnded = args.seen === undefined ? ended : args.seen === 'ended'
  // A resume of a run that was paused must not reopen the one that somebody else has cancelled meanwhile.
  if (seenEnded !== ended) {
    const what = ended ? 'has ended' : 'goes on again'
    return refuse(`the run ${what} since you looked (${view.execution}): look again`)
  }
  switch (kind) {
    case 'cancel':
      if (ended) return refuse(`the run has already ended (${view.execution})`)
      return { route: 'live' }
    case 'pause':
      if (ended) return refuse(`the run has already ended (${view.execution})`)
      if (view.cancelRequested) return refuse('the run is being cancelled')
      if (view.execution === 'paused' && !args.hard) return refuse('the run is already paused')
      return { route: 'live' }
    case 'resume':
      if (view.cancelRequested && !ended) return refuse('the run is being cancelled')
      if (view.execution === 'paused') return { route: 'live' }
      if (view.execution === 'failed' || view.execution === 'cancelled') return continueFrom(view)
      return refuse(`the run is not paused (${view.execution})`)
    case 'retry':
      if (view.cancelRequested && !ended) return refuse('the run is being cancelled')
      if (!ended) return { route: 'live' }
      if (view.execution === 'succeeded' && !view.steps.includes('ignored')) {
        return refuse('no host failed: there is nothing to retry')
      }
      return { route: 'continue' }
    case 'skip':
      return routeSkip(args, view, ended)
  }
}

function continueFrom(view: OperationView): OperationRoute {
  if (!view.steps.some((state) => state === 'pending' || state === 'cancelled')) {
    return refuse('no step is left to run; use retry for the hosts that failed, or skip for the step')
  }
  return { route: 'continue' }
}

function routeSkip(args: OperationArgs, view: OperationView, ended: boolean): OperationRoute {
  const state = view.steps[args.step ?? -1]
  if (state === undefined) return refuse(`there is no step ${(args.step ?? -1) + 1}`)
  if (state === 'succeeded' || state === 'skipped' || state === 'ignored')
    return refuse(`the step is ${state}`)
  if (ended) return view.execution === 'succeeded' ? refuse('the run succeeded') : { route: 'continue' }
  if (view.cancelRequested) return refuse('the run is being cancelled')
  if (state !== 'pending' && state !== 'waiting')
    return refuse(
      `the step is ${state}; ${state === 'paused' ? 'resume' : 'cancel'} the run or pause it hard first`,
    )
  return { route: 'live' }
}
