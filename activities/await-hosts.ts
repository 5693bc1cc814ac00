/**
 * Waits until a step's hosts need a decision: one that was missing came back or is given up, the next attempt of one is due, or
 * an operator has spoken.
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
/** What falls due or gets free one after another is told together: each look leaves a dozen events in the history. */
const GATHER_MS = 2_000
/** Hosts that a free place did not help are looked at again this often: more of their secrets than may be are open, until a shard ends. */
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
    let awayAtFirst: number | undefined
    for (;;) {
      const execution = await getExecution(pool, key.scopeId, key.executionId)
      if (!execution || !isOwner(execution, input) || execution.pause !== before?.pause) return
      const found = await lookAt(deps, key, execution)
      // Only a look of the workflow's can tell whether the limit lets them start.
      held ??= new Set(input.held ? found.ready : [])
      const waited = Date.now() - beganAt
      const known = held
      if (found.isOver || found.ends || found.ready.some((id) => !known.has(id))) return
      if (found.due && waited >= GATHER_MS) return
      awayAtFirst ??= found.away
      // Their places are kept for them until a look finds them gone.
      if (found.away < awayAtFirst && waited >= GATHER_MS) return
      if (known.size) {
        const free = ((await countFreePlaces(pool, key)) ?? 0) - found.away
        freeAtFirst ??= free
        if (free > 0 && waited >= (free > freeAtFirst ? GATHER_MS : HELD_MS)) return
      }
      heartbeat({ missing: found.missing, retrying: found.retrying })
      await sleep(found.missing ? LOOK_EVERY_MS : WATCH_EVERY_MS)
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
  /** Those of them that are under way: they restart, or lost their session. */
  away: number
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
  const delaysMs = cancelled || ending || expired ? [] : (step?.retryDelaysMs ?? [])
  const retries = await listRetryHosts(pool, key, delaysMs)
  return {
    // With a retry policy a host that still runs may fail: until the step has its verdict somebody watches.
    isOver: !step || isFinalStepState(step.state) || (!open.length && !delaysMs.length),
    ends: placed.filter(({ placement }) => placement.do === 'end').length,
    ready: placed.flatMap(({ host, placement }) => (placement.do === 'dispatch' ? host.hostId : [])),
    missing: placed.filter(({ placement }) => placement.do === 'wait').length,
    away: placed.filter(({ host, placement }) => placement.do === 'wait' && host.state !== 'pending').length,
    retrying: retries.length,
    due: retries.some((host) => host.dueInMs <= 0),
  }
}
