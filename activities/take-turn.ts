/** A step's turn: its verdict where nothing of it is left, otherwise a look at it. */
import type { HostCounts } from '../domain/host-result.js'
import type { StepState } from '../domain/step-execution.js'
import { isFinalStepState } from '../domain/step-execution.js'
import type { StepType } from '../domain/step/step.js'
import { getStep, type StepStanding } from '../store/postgres/executions.js'
import type { Db } from '../store/postgres/pool.js'
import { closeStep } from './close-step.js'
import type { Look } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { lookAtHosts, type Looking, stepUnknown } from './look-at-hosts.js'
import { lookAtWait } from './look-at-wait.js'
import { endUnlessMet } from './step-condition.js'
import { withTargets } from './take-targets.js'

export interface Turn {
  state: StepState
  counts: HostCounts
  look: Look
}

const nothing: Look = { shards: [], missing: 0, held: 0 }

/** @throws PlatformError step_unknown, execution_superseded */
export async function takeTurn(
  tx: Db,
  deps: ControlDependencies,
  looking: Looking,
  found: StepStanding,
): Promise<Turn> {
  const { key, execution } = looking
  const isOver =
    isFinalStepState(found.state) || (await endUnlessMet(tx, execution, key.stepExecutionId, found))
  const step = isOver ? undefined : await withTargets(tx, execution, key.stepExecutionId, found)
  if (!step) return turnOf(tx, looking, nothing)
  return turns[step.type](tx, deps, looking, step)
}

type Taker = (tx: Db, deps: ControlDependencies, looking: Looking, step: StepStanding) => Promise<Turn>

const turns: { [T in StepType]: Taker } = {
  script: turnOfHosts,
  sql: turnOfHosts,
  wait: turnOfWait,
  reboot: turnOfHosts,
}

async function turnOfHosts(
  tx: Db,
  deps: ControlDependencies,
  looking: Looking,
  step: StepStanding,
): Promise<Turn> {
  // Mostly the last shard has just ended: then there is nothing to look at.
  const closed =
    looking.shards.length || step.state === 'pending' ? undefined : await closeStep(tx, looking, step)
  if (closed) return { ...closed, look: nothing }
  const look = await lookAtHosts(tx, deps, looking, step)
  const isIdle =
    !looking.shards.length && !look.shards.length && !look.missing && !look.held && !look.retrying
  const closedNow = isIdle ? await closeStep(tx, looking, step) : undefined
  return closedNow ? { ...closedNow, look } : turnOf(tx, looking, look)
}

async function turnOfWait(
  tx: Db,
  _deps: ControlDependencies,
  looking: Looking,
  step: StepStanding,
): Promise<Turn> {
  const wake = await lookAtWait(tx, looking.key, { execution: looking.execution, step })
  return turnOf(tx, looking, wake ? { ...nothing, wake } : nothing)
}

async function turnOf(tx: Db, { key }: Looking, look: Look): Promise<Turn> {
  const step = await getStep(tx, key)
  if (!step) throw stepUnknown(key)
  return { state: step.state, counts: step.counts, look }
}
