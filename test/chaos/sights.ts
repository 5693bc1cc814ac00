/** Sights: what tasks saw of the variables that tasks before them had set, and what they should have seen. */
import { dispatchId } from '../../proto/index'
import type { HostResultView } from '../helpers/api'
import type { TaskEffects } from './effects'

export interface StepSights {
  stepId: string
  /** In the order of the target. */
  hosts: HostResultView[]
  /** By `step host`, then by task. */
  effects: Map<string, Map<string, TaskEffects>>
}

/**
 * A step begins when all hosts of the step before it succeeded: the run's value is that of the first of them, and each host's
 * own is its own.
 * @param steps in their order
 * @returns what was seen and should not have been, in words
 */
export function wrongSights(steps: readonly StepSights[]): string[] {
  return steps.flatMap((step, position) =>
    step.hosts.flatMap((host) => {
      const before = steps[position - 1]
      const [first] = before?.hosts ?? []
      const own = before?.hosts.find(({ hostId }) => hostId === host.hostId)
      const want = { RUN_LAST: lastTask(before, first), HOST_LAST: lastTask(before, own) }
      const tasks = step.effects.get(`${step.stepId} ${host.hostId}`) ?? new Map<string, TaskEffects>()
      return [...tasks.values()].flatMap(({ saw }) =>
        (['RUN_LAST', 'HOST_LAST'] as const).flatMap((name) =>
          saw && saw[name] !== want[name]
            ? [`step ${position} on ${host.hostName} saw ${name}=${saw[name]}, not ${want[name]}`]
            : [],
        ),
      )
    }),
  )
}

const lastTask = (step: StepSights | undefined, host: HostResultView | undefined) =>
  step && host ? dispatchId(step.stepId, host.attempt, host.hostId).toString('hex') : 'none'
