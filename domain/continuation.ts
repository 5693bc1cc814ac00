/** Continuations: what each step of an ended execution goes through when an operation takes the execution up again. */
import { nextStep } from './execution.js'
import { type HostCounts, summarize } from './host-result.js'
import { type OperationArgs, type OperationKind, retriedBy, unknownFault } from './operation.js'
import { type StepState, TARGET_EMPTY } from './step-execution.js'
import type { StepType } from './step/step.js'
import { inPlay } from './undo.js'

export interface EndedStep {
  state: StepState
  counts: HostCounts
  reason?: string | null
  /** Left out: a script. */
  type?: StepType
  undoes?: number | null
}

/**
 * By position: its hosts that failed run again, or those that never began; none of it does; its failures do not count; its
 * condition is asked again.
 */
export interface StepAction {
  position: number
  do: 'retry' | 'resume' | 'skip' | 'ignore' | 'ask'
}

export type Continuation = { actions: StepAction[] } | { refuse: string }

export type ContinuingKind = Exclude<OperationKind, 'cancel' | 'pause' | 'undo'>

/** What `kind` does to the steps; refused where the execution would end again at once, with nothing done. */
export function planContinuation(
  kind: ContinuingKind,
  args: OperationArgs,
  all: readonly EndedStep[],
): Continuation {
  const steps = inPlay(all)
  const actions = actionsOf(kind, args, steps)
  const retried = actions.filter((action) => action.do === 'retry')
  const fault =
    unknownFault(
      kind === 'retry' ? args : {},
      retried.reduce((sum, { position }) => sum + (steps[position]?.counts.unknown ?? 0), 0),
    ) ??
    (kind === 'retry' && !retried.length ? nothingToRetry(args, steps) : undefined) ??
    scriptFault(kind, args, { actions, steps })
  if (fault) return { refuse: fault }
  const after = steps.map((step, position): StepState => {
    const action = actions.find((item) => item.position === position)
    if (!action) return step.state
    if (action.do === 'skip') return 'skipped'
    return action.do === 'ignore' ? 'ignored' : 'pending'
  })
  if (goesOn(after)) return { actions }
  const stuck = after.findIndex((state) => state === 'failed' || state === 'cancelled')
  return { refuse: `step ${stuck + 1} is ${after[stuck]}: retry its hosts, ignore it, or skip it` }
}

/** Whether a run with such steps has something left to do, or nothing but its good end. */
export function goesOn(steps: readonly StepState[]): boolean {
  const next = nextStep(steps, false)
  return next.do === 'run' || next.state === 'succeeded'
}

function nothingToRetry(args: OperationArgs, steps: readonly EndedStep[]): string {
  if (args.all && args.step === undefined) return 'say which step: no step failed, or several did'
  const named = args.step === undefined ? steps : steps.slice(args.step, args.step + 1)
  const unknown = !args.includeUnknown && named.some((step) => step.counts.unknown)
  const what = args.step === undefined ? 'no host failed' : `no host of step ${args.step + 1} failed`
  if (unknown)
    return `${what}, but the outcome of some is unknown: their script may have run; name them with includeUnknown`
  return `${what}: there is nothing to retry${args.all ? '' : '; all takes the ones that succeeded, too'}`
}

/** The one step whose new attempts run an edited script. */
export function editedStep(actions: readonly StepAction[], args: OperationArgs): number | undefined {
  const meant = actions.filter((action) => action.do === 'retry')
  const [first, ...others] = meant.length ? meant : actions.filter((action) => action.do === 'resume')
  if (args.step !== undefined) return args.step
  // Of the steps that a cancel has ended, the first is the one that goes on; of those that failed none is.
  return others.length && meant.length ? undefined : first?.position
}

function scriptFault(
  kind: ContinuingKind,
  args: OperationArgs,
  { actions, steps }: { actions: readonly StepAction[]; steps: readonly EndedStep[] },
): string | undefined {
  if (args.scriptSha256 === undefined) return undefined
  const position = editedStep(actions, args)
  if (position === undefined)
    return 'hosts of several steps would run again: say whose script is edited by step'
  const type = steps[position]?.type ?? 'script'
  if (type === 'wait' || type === 'reboot')
    return `step ${position + 1} is a ${type}: it has no script to edit`
  return kind === 'resume' && !steps[position]?.counts.cancelled
    ? `no host of step ${position + 1} is left to begin: use retry for those that ran`
    : undefined
}

const neverAskedStates: readonly StepState[] = ['skipped', 'failed', 'ignored']
const neverAsked = ['condition_not_met', 'condition_failed', 'plan_left', TARGET_EMPTY]

/**
 * Steps after a position that never began because of their condition, because the nested plan was left, or because there was no
 * host for them: where hosts run again before them, that may be otherwise when their turn comes.
 */
export function askedAgain(steps: readonly Pick<EndedStep, 'state' | 'reason'>[], after: number): number[] {
  return steps.flatMap(({ state, reason }, position) =>
    position > after && neverAskedStates.includes(state) && neverAsked.includes(reason ?? '')
      ? [position]
      : [],
  )
}

/**
 * Steps whose scripts an operation may let start, by position. A skip of a run that goes on lets nothing start that would not
 * have started without it; a retry also takes up hosts of a step that is over, and asks conditions again.
 */
export function stepsAhead(
  kind: OperationKind,
  args: OperationArgs,
  run: { ended: boolean; steps: readonly Pick<EndedStep, 'state' | 'reason' | 'undoes'>[] },
): number[] {
  if (kind === 'cancel' || kind === 'pause' || kind === 'undo' || (kind === 'skip' && !run.ended)) return []
  const steps = inPlay(run.steps)
  const isRetry = kind === 'retry'
  const done: readonly StepState[] = isRetry ? ['succeeded', 'skipped'] : ['succeeded', 'skipped', 'ignored']
  const asked = isRetry ? askedAgain(steps, args.step ?? -1) : []
  return steps.flatMap(({ state }, position) => {
    if (isRetry && position === args.step) return [position]
    const isAhead = asked.includes(position) || !done.includes(state)
    return isAhead && (isRetry || kind === 'resume' || position !== leftBy(kind, args, steps))
      ? [position]
      : []
  })
}

/** The step that an operation goes past. */
function leftBy(
  kind: OperationKind,
  args: OperationArgs,
  steps: readonly Pick<EndedStep, 'state'>[],
): number | undefined {
  if (kind !== 'next' || args.step !== undefined) return args.step
  return steps.findIndex(({ state }) => ['running', 'waiting', 'paused', 'cancelled'].includes(state))
}

function actionsOf(kind: ContinuingKind, args: OperationArgs, steps: readonly EndedStep[]): StepAction[] {
  const resumed = steps.flatMap(({ state }, position): StepAction[] =>
    state === 'cancelled' ? [{ position, do: 'resume' }] : [],
  )
  const past = (position: number, how: 'skip' | 'ignore'): StepAction[] => [
    { position, do: how },
    ...resumed.filter((action) => action.position > position),
  ]
  switch (kind) {
    case 'resume':
      return resumed
    case 'skip':
    case 'ignore':
      return past(args.step ?? 0, kind)
    case 'next': {
      const position = leftBy(kind, args, steps) ?? 0
      // A wait has no hosts that could be left.
      return past(position, summarize(steps[position]?.counts ?? {}).total ? 'ignore' : 'skip')
    }
    case 'retry': {
      const retried = retriedSteps(args, steps)
      const first = retried[0] ?? steps.length
      return [
        ...retried.map((position): StepAction => ({ position, do: 'retry' })),
        ...resumed.filter(({ position }) => !retried.includes(position)),
        ...askedAgain(steps, first).map((position): StepAction => ({ position, do: 'ask' })),
      ].sort((a, b) => a.position - b.position)
    }
  }
}

/** Positions of the steps whose hosts a retry takes up. */
function retriedSteps(args: OperationArgs, steps: readonly EndedStep[]): number[] {
  const states = retriedBy(args)
  const hasHosts = (position: number) => states.some((state) => steps[position]?.counts[state])
  const among = (wanted: readonly StepState[]) =>
    steps.flatMap(({ state }, position) => (wanted.includes(state) && hasHosts(position) ? [position] : []))
  if (args.step !== undefined) return hasHosts(args.step) ? [args.step] : []
  if (!args.all) return among(['failed', 'cancelled', 'ignored'])
  // All hosts of several steps are more than anybody means by a word: the step that ended the run, or the only one.
  const [ended] = among(['failed', 'cancelled'])
  if (ended !== undefined) return [ended]
  const ignored = among(['ignored'])
  if (ignored.length) return ignored.length === 1 ? ignored : []
  const ran = among(['succeeded'])
  return ran.length === 1 ? ran : []
}
