/**
 * Waits until a step's hosts need a decision: one that was missing came back or is given up, the next attempt of one is due, a
 * place is free for one that the limit of the step holds back, or an operator has spoken.
 */
import { heartbeat, sleep } from '@temporalio/activity'
import type { ExecutionId, ScopeId, StepExecutionId } from '../domain/id.js'
import { placeHost, rebootRules } from '../domain/placement.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { type Execution, findStepStanding, getExecution, readClock } from '../store/postgres/executions.js'
import { listRetryHosts } from '../store/postgres/retries.js'
import { countFreePlaces, listOpenHosts } from '../store/postgres/shards.js'
import type { ControlActivities } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { isOwner } from './owner.js'

/** While hosts are missing; a person waits for them. */
const LOOK_EVERY_MS = 500
/** While hosts are only watched for failures. */
const WATCH_EVERY_MS = 1_000
/**
 * What falls due or gets free one after another is told together: each look leaves a dozen events in the history. Where hosts only
 * wait for places they are read this often, for they may be thousands.
 */
const GATHER_MS = 2_000
/** After this they are looked at again although no place got free while it was waited for: it was so before, or is no help. */
const HELD_MS = 10_000

export function createAwaitHosts(deps: ControlDependencies): ControlActivities['awaitHosts'] {
  const { pool } = deps
  return async (input) => {
    const key = {
      scopeId: input.scopeId as ScopeId,
      executionId: input.executionId as ExecutionId,
      stepExecutionId: input.stepExecutionId as StepExecutionId,
    }
    const beganAt = Date.now()
    const before = await getExecution(pool, key.scopeId, key.executionId)
    let held: ReadonlySet<string> | undefined
    let freeAtFirst: number | undefined
    for (;;) {
      const execution = await getExecution(pool, key.scopeId, key.executionId)
      if (!execution || !isOwner(execution, input) || execution.pause !== before?.pause) return
      const found = await lookAt(deps, key, execution)
      // Only a look of the workflow's can tell whether the limit lets them start.
      held ??= new Set(input.held ? found.ready : [])
      const waited = Date.now() - beganAt
      const known = held
      if (found.isOver || found.ends || found.ready.some((id) => !known.has(id))) return
      if ((found.due || found.hasPlaceBack) && waited >= GATHER_MS) return
      if (known.size) {
        const free = ((await countFreePlaces(pool, key)) ?? Number.POSITIVE_INFINITY) - found.underWay
        freeAtFirst ??= free
        if (free > 0 && free > freeAtFirst && waited >= GATHER_MS) return
        if ((free > 0 || found.isStranded) && waited >= HELD_MS) return
      }
      heartbeat({ missing: found.missing, retrying: found.retrying })
      await sleep(found.missing ? LOOK_EVERY_MS : found.isWatched ? WATCH_EVERY_MS : GATHER_MS)
    }
  }
}

interface Found {
  /** Nothing is left to wait for. */
  isOver: boolean
  /** Hosts that can have no other end than the one they get now. */
  ends: number
  /** Hosts that an order could be sent to. */
  ready: string[]
  /** Hosts that are away, or have something to stop first. */
  missing: number
  /** Hosts that are under way in no shard: they restart, lost their session, or have just come back. */
  underWay: number
  /** Fewer than the last look found: it kept places for them that nobody has any more. */
  hasPlaceBack: boolean
  /** One of them could be told to go on. */
  isStranded: boolean
  /** Hosts that fail get another attempt by themselves. */
  isWatched: boolean
  /** Hosts that wait for their next attempt, and whether that of one is due. */
  retrying: number
  due: boolean
}

async function lookAt(
  { pool, lostAfterMs }: ControlDependencies,
  key: { scopeId: ScopeId; executionId: ExecutionId; stepExecutionId: StepExecutionId },
  execution: Execution,
): Promise<Found> {
  const cancelled = execution.cancelRequestedAt !== null
  const ending = execution.endingStep === key.stepExecutionId
  const expired = execution.expiresAt <= (await readClock(pool))
  const step = await findStepStanding(pool, key)
  const open = await listOpenHosts(pool, key)
  const lost = rebootRules({ awayMs: step?.awayMs ?? null, isWanted: !cancelled && !ending }, lostAfterMs)
  const placed = open.map((host) => ({
    host,
    placement: placeHost(host, { cancelled, ending, expired, ...lost }),
  }))
  const underWay = placed.filter(({ host, placement }) => host.state !== 'pending' && placement.do !== 'end')
  const delaysMs = cancelled || ending || expired ? [] : (step?.retryDelaysMs ?? [])
  const retries = await listRetryHosts(pool, key, delaysMs)
  return {
    // With a retry policy a host that still runs may fail: until the step has its verdict somebody watches.
    isOver: !step || isFinalStepState(step.state) || (!open.length && !delaysMs.length),
    ends: placed.filter(({ placement }) => placement.do === 'end').length,
    ready: placed.flatMap(({ host, placement }) => (placement.do === 'dispatch' ? host.hostId : [])),
    missing: placed.filter(({ placement }) => placement.do === 'wait').length,
    underWay: underWay.length,
    hasPlaceBack: underWay.length < (step?.placesAway ?? 0),
    isStranded: underWay.some(({ placement }) => placement.do === 'dispatch'),
    isWatched: delaysMs.length > 0,
    retrying: retries.length,
    due: retries.some((host) => host.dueInMs <= 0),
  }
}
