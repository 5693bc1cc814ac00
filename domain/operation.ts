/** Operations: what a person may do to an execution while it runs or after it ended, and from where. */
import { type ExecutionState, isFinalExecutionState } from './execution.js'
import { type HostState, retriedStates } from './host-result.js'
import type { StepState } from './step-execution.js'
import { inPlay, isUndoing } from './undo.js'

export const operationKinds = [
  'cancel',
  'pause',
  'resume',
  'retry',
  'skip',
  'ignore',
  'next',
  'undo',
] as const
export type OperationKind = (typeof operationKinds)[number]

export const seenRuns = ['open', 'ended'] as const

export interface OperationArgs {
  /** pause: also stop what runs. */
  hard?: boolean | undefined
  /** skip, ignore: which step, by its position from 0. retry, resume: the one whose hosts are meant. next: the one that is left. */
  step?: number | undefined
  /** skip: only these hosts of the step, by name or id. */
  hosts?: string[] | undefined
  /** How many those are: what histories and events are told instead of them. */
  hostCount?: number | undefined
  /** retry: hosts that succeeded, too. */
  all?: boolean | undefined
  /** retry, resume: sha256 (hex) of the text that the new attempts run instead of the step's. */
  scriptSha256?: string | undefined
  /** retry: take hosts with an unknown outcome too; their script may have run. undo: undo them too, or (false) leave them out. */
  includeUnknown?: boolean | undefined
  /** With includeUnknown: how many they were when the operator looked. */
  unknownHosts?: number | undefined
  /** Why it is done, in the operator's words. */
  why?: string | undefined
  /** What the operator saw: a run that was still open, or one that had ended. */
  seen?: (typeof seenRuns)[number] | undefined
}

/** What the run's log is told: not each of a thousand hosts. */
export function argsForLog({ hosts, ...args }: OperationArgs): OperationArgs {
  return hosts === undefined ? args : { ...args, hostCount: hosts.length }
}

/** What the engine is told: histories hold references and numbers, not the words of people nor the names of hosts. */
export function argsForEngine(args: OperationArgs): OperationArgs {
  const { why: _why, ...rest } = argsForLog(args)
  return rest
}

/**
 * Why hosts with an unknown outcome are not retried after all, if so: their number is another one than was said. One of
 * them may have become known since the operator looked, and must not be started again by a word that was about others.
 */
export function unknownFault(args: OperationArgs, unknown: number): string | undefined {
  if (!args.includeUnknown || args.unknownHosts === unknown) return undefined
  return `the outcome of ${unknown} ${unknown === 1 ? 'host' : 'hosts'} is unknown now, not of ${args.unknownHosts ?? 'a number that was said'}: look again`
}

/** The states of hosts that a retry takes up. Who was skipped stays so: somebody did not want it to run. */
export function retriedBy(args: OperationArgs): HostState[] {
  return [
    ...retriedStates,
    ...(args.all ? (['succeeded'] as const) : []),
    ...(args.includeUnknown ? (['unknown'] as const) : []),
  ]
}

export interface OperationView {
  execution: ExecutionState
  cancelRequested: boolean
  /** Of a run that is undone, those in play: what it did is past. */
  steps: readonly StepState[]
  /** Whether it is being undone, or was. */
  undoing: boolean
}

/** What an operation is judged by, as the rows say it. */
export function viewOf(
  execution: { state: ExecutionState; cancelRequestedAt: Date | null },
  steps: readonly { state: StepState; undoes?: number | null }[],
): OperationView {
  return {
    execution: execution.state,
    cancelRequested: execution.cancelRequestedAt !== null,
    steps: inPlay(steps).map((step) => step.state),
    undoing: isUndoing(steps),
  }
}

/** `live` goes to the running workflow, `continue` is done to the rows of a run that has ended. */
type Way = 'live' | 'continue'

/** Whether `kind` can be done now, and how. */
export type OperationRoute = { route: Way } | { route: 'refuse'; why: string }

const refuse = (why: string): OperationRoute => ({ route: 'refuse', why })

/** Reason of an operation that the engine could not be asked about in time. */
export const ENGINE_AWAY = 'unavailable'

/** What a run is at, as far as operations ask. */
type Stage = 'open' | 'paused' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled'

/** Kinds of operations, where a skip of a step and of some of its hosts are two. */
type Deed = OperationKind | 'skip hosts'

interface Rule {
  /** By what the run is at; refused where nothing stands. */
  from: Partial<Record<Stage, Way>>
  /** States of the step that is named, or of any step where none is; left out: all. */
  step?: Record<Way, readonly StepState[]>
}

const openOnly = { open: 'live', paused: 'live' } as const

/** The one table of what is allowed from where, for the API and for the workflow's validators. */
const allowed: Record<Deed, Rule> = {
  cancel: { from: { ...openOnly, cancelling: 'live' } },
  // Paused: only to stop what runs, too.
  pause: { from: openOnly },
  resume: {
    from: { paused: 'live', failed: 'continue', cancelled: 'continue' },
    step: { live: ['pending', 'paused'], continue: ['cancelled'] },
  },
  retry: {
    from: { ...openOnly, succeeded: 'continue', failed: 'continue', cancelled: 'continue' },
    step: { live: ['running', 'paused'], continue: ['succeeded', 'failed', 'cancelled', 'ignored'] },
  },
  skip: {
    from: { ...openOnly, failed: 'continue', cancelled: 'continue' },
    step: { live: ['pending', 'waiting'], continue: ['pending', 'failed', 'cancelled'] },
  },
  'skip hosts': {
    from: { ...openOnly, succeeded: 'continue', failed: 'continue', cancelled: 'continue' },
    step: {
      live: ['pending', 'running', 'paused'],
      continue: ['pending', 'failed', 'cancelled', 'ignored'],
    },
  },
  ignore: {
    from: { ...openOnly, failed: 'continue', cancelled: 'continue' },
    step: { live: ['running', 'paused'], continue: ['failed'] },
  },
  next: {
    from: { ...openOnly, cancelled: 'continue' },
    step: { live: ['running', 'waiting', 'paused'], continue: ['cancelled'] },
  },
  // Paused: it is cancelled first, in the same operation.
  undo: { from: { paused: 'live', succeeded: 'continue', failed: 'continue', cancelled: 'continue' } },
}

/** Decides an operation's way; the same rule answers the API and the workflow's validators. */
export function routeOperation(
  kind: OperationKind,
  args: OperationArgs,
  view: OperationView,
): OperationRoute {
  const stage = stageOf(view)
  const ended = isFinalExecutionState(view.execution)
  const seenEnded = args.seen === undefined ? ended : args.seen === 'ended'
  // A resume of a run that was paused must not reopen the one that somebody else has cancelled meanwhile.
  if (seenEnded !== ended) {
    const what = ended ? 'has ended' : 'goes on again'
    return refuse(`the run ${what} since you looked (${view.execution}): look again`)
  }
  const deed: Deed = kind === 'skip' && hostsIn(args) ? 'skip hosts' : kind
  const way = allowed[deed].from[stage]
  if (way === undefined) return refuse(stageFault(deed, stage, view))
  if (kind === 'retry' && args.all && view.undoing)
    return refuse('a host is undone once: only those that failed are undone again')
  if (kind === 'undo' && stage === 'paused' && view.undoing)
    return refuse('the run is being undone already: resume it')
  if (kind === 'pause' && stage === 'paused' && !args.hard)
    return refuse('the run is already paused: resume it, or pause it hard to stop what runs')
  const fault = stepFault({ deed, way, args, view })
  return fault === undefined ? { route: way } : refuse(fault)
}

const hostsIn = (args: OperationArgs): number => args.hosts?.length ?? args.hostCount ?? 0

function stageOf({ execution, cancelRequested }: OperationView): Stage {
  if (execution === 'succeeded' || execution === 'failed' || execution === 'cancelled') return execution
  if (cancelRequested || execution === 'cancelling') return 'cancelling'
  return execution === 'paused' ? 'paused' : 'open'
}

function stageFault(deed: Deed, stage: Stage, { execution, undoing }: OperationView): string {
  if (stage === 'cancelling')
    return 'the run is being cancelled: when it has ended, resume, retry or next take it up again, and undo takes it back'
  if (deed === 'undo' && undoing) return 'the run is being undone already'
  if (deed === 'undo') return 'the run goes on: pause it or cancel it first'
  if (deed === 'cancel' || deed === 'pause') return `the run has already ended (${execution})`
  if (deed === 'resume') return `the run is not paused (${execution})`
  if (deed === 'next' && stage === 'failed')
    return 'the run has ended and nothing of its failed step is left: ignore the step, skip it, or retry its hosts'
  return 'the run succeeded: nothing is left to do; redo launches it again'
}

/** Why the steps do not let it be done, if so. */
function stepFault(asked: {
  deed: Deed
  way: Way
  args: OperationArgs
  view: OperationView
}): string | undefined {
  const { deed, way, args, view } = asked
  const states = allowed[deed].step?.[way]
  if (!states) return undefined
  if (args.step === undefined) return unnamedFault(deed, way, args, view)
  const state = view.steps[args.step]
  if (state === undefined) return `there is no step ${args.step + 1}`
  if (states.includes(state)) return undefined
  const is = state === 'pending' ? 'has not begun' : `is ${state}`
  const instead = insteadOf(deed, state, way)
  return `step ${args.step + 1} ${is}${instead ? `: ${instead}` : ''}`
}

function unnamedFault(
  deed: Deed,
  way: Way,
  args: OperationArgs,
  { steps }: OperationView,
): string | undefined {
  switch (deed) {
    case 'next':
      if (steps.includes('cancelling')) return 'what is left of the step is being ended already'
      if (allowed.next.step?.[way].some((state) => steps.includes(state))) return undefined
      return 'no step has begun that could be left: resume the run, or skip the step that comes next'
    case 'resume':
      if (way === 'live' || steps.some((state) => state === 'pending' || state === 'cancelled'))
        return undefined
      return 'no step is left to run; use retry for the hosts that failed, or ignore or skip for the step'
    case 'retry':
      if (way === 'live' || args.all || steps.some((state) => retriable.includes(state))) return undefined
      return 'no host failed: there is nothing to retry; all takes the ones that succeeded, too'
    case 'skip':
    case 'skip hosts':
    case 'ignore':
      return 'say which step'
    case 'cancel':
    case 'pause':
    case 'undo':
      return undefined
  }
}

const retriable: readonly StepState[] = ['failed', 'cancelled', 'ignored']

/** What can be done instead, where a step is in another state than an operation needs. */
function insteadOf(deed: Deed, state: StepState, way: Way): string {
  const isOver = ['succeeded', 'failed', 'cancelled', 'skipped', 'ignored'].includes(state)
  if (state === 'cancelling') return 'what is left of it is being ended already'
  switch (deed) {
    case 'skip':
      return isOver ? '' : 'next ends what is left of it, a skip of hosts leaves only those out'
    case 'skip hosts':
      if (state === 'waiting') return 'no host has a part in it; skip the step'
      return isOver && way === 'live' ? 'skip its hosts when the run has ended' : ''
    case 'ignore':
      if (state === 'pending') return 'ignore it when it runs, or skip it'
      return state === 'cancelled' ? 'next goes on after it, resume takes it up' : ''
    case 'retry':
      if (state === 'pending') return 'it comes when it is its turn'
      if (state === 'skipped') return 'its hosts never began'
      return isOver ? 'retry its hosts when the run has ended' : ''
    case 'resume':
      return 'only the step that goes on can be given another script; use retry for one that is over'
    case 'next':
      return isOver && way === 'live' ? 'the run has gone on' : ''
    case 'cancel':
    case 'pause':
    case 'undo':
      return ''
  }
}
