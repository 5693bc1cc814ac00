/** Goes on to what comes next in a run: the look at the next step's hosts, or the end. Saves the workflow a call for either. */
import { isFinalExecutionState, nextStep } from '../domain/execution.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { type Execution, listStepStates } from '../store/postgres/executions.js'
import type { Db } from '../store/postgres/pool.js'
import type { Next } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { endAs } from './end-execution.js'
import { type Key, standingOf } from './owner.js'
import { resolveStep } from './resolve-shards.js'

/** Each step that is ended because its condition is not met writes all its hosts: more of them are left to the next call. */
const ENDED_AT_ONCE = 5

/**
 * In a transaction that holds the execution, for a workflow that carries no shard of the next step. Repeatable: a look that was
 * taken already tells again what it made, and for a step that has its verdict already an execution that has ended tells its end.
 */
export async function goOn(
  tx: Db,
  deps: ControlDependencies,
  from: { key: Key; execution: Execution; look: number },
): Promise<Next | undefined> {
  const { key, execution, look } = from
  if (isFinalExecutionState(execution.state)) return { do: 'end', state: execution.state }
  for (let ended = 0; ended < ENDED_AT_ONCE; ended++) {
    const steps = await listStepStates(tx, key)
    const states = steps.map((step) => step.state)
    const next = nextStep(states, standingOf(execution).cancelRequested)
    if (next.do === 'end') {
      await endAs(tx, key, next.state, steps)
      return next
    }
    const id = steps[next.index]?.id
    if (id === undefined) throw new Error(`run r-${key.executionId} has no step ${next.index}`)
    const looking = { key: { ...key, stepExecutionId: id }, execution, look, activeShards: [] }
    const resolution = await resolveStep(tx, deps, looking)
    // Its condition was not met: the next one's turn has come.
    if (isFinalStepState(resolution.state)) continue
    return { do: 'run', stepExecutionId: id, resolution, ...(ended ? { steps: states } : {}) }
  }
  return undefined
}
