/** Resolves a step's open hosts into signed shards, one gateway each; hosts that can have no other end get it here. */
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import type { HostState } from '../domain/host-result.js'
import type { ShardId, StepExecutionId } from '../domain/id.js'
import { placeHost, type Placement } from '../domain/placement.js'
import { type CompiledScriptStep, concurrencyLimit } from '../domain/step/script-step.js'
import { shareLimit, splitShards, type ShardRef } from '../domain/shard.js'
import type { StepType } from '../domain/step/step.js'
import { isFinalStepState } from '../domain/step-execution.js'
import {
  type Execution,
  findStepState,
  getStep,
  readClock,
  setExecutionState,
  setStepState,
  type StepStanding,
} from '../store/postgres/executions.js'
import { endHosts } from '../store/postgres/ledger.js'
import { listOpenShards, takeLook } from '../store/postgres/looks.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import {
  closeShardsBut,
  insertShard,
  listOpenHosts,
  type OpenHost,
  sumOpenLimits,
} from '../store/postgres/shards.js'
import { transaction } from '../store/postgres/transaction.js'
import type { ControlActivities, Resolution } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { type Key as ExecutionKey, lockOwned, standingOf, superseded } from './owner.js'
import { lookAtWait } from './look-at-wait.js'
import { retryDue } from './retry-due.js'
import { encodeSpec } from './signer.js'
import { endUnlessMet } from './step-condition.js'

interface Placed {
  host: OpenHost
  placement: Placement
}

export function createResolveShards(deps: ControlDependencies): ControlActivities['resolveShards'] {
  return (input) =>
    transaction(deps.pool, async (tx): Promise<Resolution> => {
      const { key: owned, execution } = await lockOwned(tx, input)
      const key = { ...owned, stepExecutionId: input.stepExecutionId as StepExecutionId }
      return resolveStep(tx, deps, { key, execution, ...input })
    })
}

/** One look at a step, in a transaction that holds the execution. @throws PlatformError step_unknown, execution_superseded */
export async function resolveStep(tx: Db, deps: ControlDependencies, looking: Look): Promise<Resolution> {
  const { key, execution } = looking
  const before = await findStepState(tx, key)
  if (!before) throw stepUnknown(key)
  const isOver =
    isFinalStepState(before.state) || (await endUnlessMet(tx, execution, key.stepExecutionId, before))
  const found = isOver ? nothing : await lookers[before.type](tx, deps, { ...looking, step: before })
  const after = await getStep(tx, key)
  if (!after) throw stepUnknown(key)
  return { ...found, counts: after.counts, state: after.state, standing: standingOf(execution) }
}

type Key = ExecutionKey & { stepExecutionId: StepExecutionId }
type Found = Pick<Resolution, 'shards' | 'missing' | 'held' | 'retrying' | 'watch' | 'wakeInMs'>

const nothing: Found = { shards: [], missing: 0, held: 0 }

export interface Look {
  key: Key
  execution: Execution
  look: number
  activeShards: string[]
}

type Looker = (tx: Db, deps: ControlDependencies, looking: Look & { step: StepStanding }) => Promise<Found>

const lookers: { [T in StepType]: Looker } = {
  script: look,
  wait: async (tx, _deps, { key, execution, step }) => {
    const wakeInMs = await lookAtWait(tx, key, { execution, step })
    return wakeInMs === undefined ? nothing : { ...nothing, wakeInMs }
  },
}

async function look(
  tx: Db,
  deps: ControlDependencies,
  looking: Look & { step: StepStanding },
): Promise<Found> {
  const { key, execution, step, activeShards } = looking
  if (isFinalExecutionState(execution.state)) throw superseded(key)
  const cancelled = execution.cancelRequestedAt !== null
  const paused = execution.pause !== null && !cancelled
  const isNew = await takeLook(tx, key, looking.look)
  if (isNew) await closeShardsBut(tx, key, activeShards as ShardId[])
  const at = await readClock(tx)
  const rules = { cancelled, expired: execution.expiresAt <= at, lostAfterMs: deps.lostAfterMs }
  const retries = step.retryDelaysMs.length > 0 && !cancelled && !paused && !rules.expired
  const retrying = retries ? await retryDue(tx, key, step.retryDelaysMs, isNew) : {}
  const placed = (await listOpenHosts(tx, key)).map((host) => ({ host, placement: placeHost(host, rules) }))
  if (!isNew) {
    // Its answer was lost, or a newer look has been taken. What it made is told again, and what is left is for the next.
    const made = (await listOpenShards(tx, key)).filter((shard) => !activeShards.includes(shard.shardId))
    return { shards: made, missing: paused ? 0 : placed.length, held: 0, ...retrying }
  }
  if (!cancelled && !paused) {
    await setExecutionState(tx, key, 'running')
    await setStepState(tx, key, 'running')
  }
  await endPlaced(tx, key, placed)
  if (paused) return nothing
  const ready = placed.filter(({ placement }) => placement.do === 'dispatch')
  const missing = placed.filter(({ placement }) => placement.do === 'wait').length
  const made = await makeShards(tx, deps, { key, execution, position: step.position, ready, at })
  return { ...made, missing, ...retrying }
}

async function endPlaced(tx: Db, key: Key, placed: readonly Placed[]): Promise<void> {
  const ends = placed.flatMap(({ host, placement }) =>
    placement.do === 'end'
      ? [
          {
            hostId: host.hostId,
            attempt: host.attempt,
            state: placement.state,
            started: placement.started,
            reason: placement.reason,
          },
        ]
      : [],
  )
  await endHosts(tx, key, ends)
}

interface Making {
  key: Key
  execution: Execution
  /** The step's place in the plan. */
  position: number
  ready: readonly Placed[]
  /** The time of the orders. */
  at: Date
}

async function makeShards(
  tx: Db,
  deps: ControlDependencies,
  making: Making,
): Promise<{ shards: ShardRef[]; held: number }> {
  const { key, execution, position, ready, at } = making
  if (!ready.length) return { shards: [], held: 0 }
  const step = await compiledStep(tx, { key, execution, position })
  const cancelled = execution.cancelRequestedAt !== null
  const free = cancelled
    ? ready.length
    : concurrencyLimit(step.concurrency, execution.hosts) - (await sumOpenLimits(tx, key))
  const byId = new Map(ready.map(({ host }) => [host.hostId, host]))
  // Hosts that were sent their order already come first: they are under way, whatever the limit says.
  const sorted = [...ready].sort((a, b) => Number(isPending(a.host.state)) - Number(isPending(b.host.state)))
  const split = splitShards(
    sorted.map(({ host, placement }) => ({
      hostId: host.hostId,
      gateway: placement.do === 'dispatch' ? placement.gateway : '',
    })),
    deps.shardMaxHosts,
  )
  const limits = shareLimit(
    Math.max(0, free),
    split.map((shard) => shard.hostIds.length),
  )
  const shards: ShardRef[] = []
  let held = 0
  for (const [index, { gateway, hostIds }] of split.entries()) {
    const hostLimit = limits[index] ?? 0
    if (hostLimit === 0) {
      held += hostIds.length
      continue
    }
    const hosts = hostIds.flatMap((id) => byId.get(id) ?? [])
    shards.push({
      shardId: await signShard(tx, deps, { key, execution, step, gateway, hosts, hostLimit, at }),
      gateway,
      hosts: hosts.length,
    })
  }
  return { shards, held }
}

const isPending = (state: HostState) => state === 'pending'

async function compiledStep(
  tx: Db,
  { key, execution, position }: Pick<Making, 'key' | 'execution' | 'position'>,
): Promise<CompiledScriptStep> {
  const plan = await findPlan(tx, key.scopeId, execution.planHash)
  const step = plan?.steps[position]
  if (step?.type !== 'script') throw stepUnknown(key)
  return step
}

function stepUnknown(key: Key): PlatformError {
  return new PlatformError(
    'step_unknown',
    `run r-${key.executionId} has no step execution ${key.stepExecutionId}`,
  )
}

interface ShardFacts {
  key: Key
  execution: Execution
  step: CompiledScriptStep
  gateway: string
  hosts: OpenHost[]
  hostLimit: number
  at: Date
}

async function signShard(tx: Db, { signer }: ControlDependencies, facts: ShardFacts): Promise<ShardId> {
  const { key, execution, hosts } = facts
  const spec = encodeSpec(facts.step)
  // A host that was sent nothing yet may have a new journal; once an order was sent, only that journal may answer it.
  const journalIds = hosts.map((host) =>
    isPending(host.state) ? (host.hostJournalId ?? '') : (host.journalId ?? host.hostJournalId ?? ''),
  )
  const signed = hosts.map((host, index) =>
    signer.signDispatch(
      {
        ...key,
        attempt: host.attempt,
        hostId: host.hostId,
        journalId: journalIds[index] ?? '',
        issuedAt: facts.at,
        expiresAt: execution.expiresAt,
        outputDay: execution.outputDay,
      },
      spec,
    ),
  )
  return insertShard(tx, {
    ...key,
    gateway: facts.gateway,
    hostLimit: facts.hostLimit,
    hostIds: hosts.map((host) => host.hostId),
    journalIds,
    orders: signed.map(({ order }) => order),
    signatures: signed.map(({ signature }) => signature),
    keyId: signer.keyId,
    spec,
  })
}
