/** Continuations: what each step of an ended execution goes through when an operation takes the execution up again. */
import { nextStep } from './execution.js'
import { type HostCounts, type HostState, retriedStates } from './host-result.js'
import { type OperationArgs, type OperationKind, unknownFault } from './operation.js'
import type { StepState } from './step-execution.js'

export interface EndedStep {
  state: StepState
  counts: HostCounts
}

/** By position: the hosts that failed again, the hosts that never began, or none of them. */
export type StepAction = { position: number; do: 'retry' | 'resume' | 'skip' }

export type Continuation = { actions: StepAction[] } | { refuse: string }

/** What `kind` does to the steps; refused where the execution would end again at once, with nothing done. */
export function planContinuation(
  kind: 'retry' | 'resume' | 'skip',
  args: OperationArgs,
  steps: readonly EndedStep[],
): Continuation {
  const actions = actionsOf(kind, args, steps)
  const retried = actions.filter((action) => action.do === 'retry')
  const fault = unknownFault(
    kind === 'retry' ? args : {},
    retried.reduce((sum, { position }) => sum + (steps[position]?.counts.unknown ?? 0), 0),
  )
  if (fault) return { refuse: fault }
  if (kind === 'retry' && !retried.length) {
    const unknown = !args.includeUnknown && steps.some((step) => step.counts.unknown)
    return {
      refuse: unknown
        ? 'no host failed, but the outcome of some is unknown: their script may have run; name them with includeUnknown'
        : 'no host failed: there is nothing to retry',
    }
  }
  const after = steps.map((step, position): StepState => {
    const action = actions.find((item) => item.position === position)
    if (!action) return step.state
    return action.do === 'skip' ? 'skipped' : 'pending'
  })
  const next = nextStep(after, false)
  if (next.do === 'run' || next.state === 'succeeded') return { actions }
  const stuck = after.findIndex((state) => state === 'failed' || state === 'cancelled')
  return { refuse: `step ${stuck + 1} is ${after[stuck]}: retry its hosts, or skip it` }
}

/**
 * Steps whose scripts an operation may let start, by position. A skip of a run that goes on lets nothing start that would not
 * have started without it; a retry also takes up hosts that failed in a step whose failure was ignored.
 */
export function stepsAhead(
  kind: OperationKind,
  args: OperationArgs,
  run: { ended: boolean; steps: readonly StepState[] },
): number[] {
  if (kind === 'cancel' || kind === 'pause' || (kind === 'skip' && !run.ended)) return []
  const done: readonly StepState[] =
    kind === 'retry' ? ['succeeded', 'skipped'] : ['succeeded', 'skipped', 'ignored']
  return run.steps.flatMap((state, position) =>
    done.includes(state) || position === args.step ? [] : [position],
  )
}

function actionsOf(
  kind: 'retry' | 'resume' | 'skip',
  args: OperationArgs,
  steps: readonly EndedStep[],
): StepAction[] {
  const states: readonly HostState[] = args.includeUnknown ? [...retriedStates, 'unknown'] : retriedStates
  return steps.flatMap((step, position): StepAction[] => {
    const resumed: StepAction[] = step.state === 'cancelled' ? [{ position, do: 'resume' }] : []
    switch (kind) {
      case 'resume':
        return resumed
      case 'skip':
        if (position === args.step) return [{ position, do: 'skip' }]
        return position > (args.step ?? 0) ? resumed : []
      case 'retry': {
        const open = step.state === 'failed' || step.state === 'cancelled' || step.state === 'ignored'
        if (open && states.some((state) => step.counts[state])) return [{ position, do: 'retry' }]
        return resumed
      }
    }
  })
}
