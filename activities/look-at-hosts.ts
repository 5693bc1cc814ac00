/** A look at a step's open hosts: those that are ready go into signed shards, one gateway each; those that can have no other end get it here. */
import { PlatformError } from '../domain/errors.js'
import { isFinalExecutionState } from '../domain/execution.js'
import type { HostState } from '../domain/host-result.js'
import type { HostId, ShardId, StepExecutionId } from '../domain/id.js'
import type { CompiledPlan } from '../domain/plan.js'
import { placeHost, type Placement, rebootRules } from '../domain/placement.js'
import { concurrencyLimit } from '../domain/step/script-step.js'
import { shareLimit, splitShards, type ShardRef } from '../domain/shard.js'
import { type CompiledHostStep, hostStepOf } from '../domain/step/step.js'
import {
  type Execution,
  setExecutionState,
  setStepState,
  type StepStanding,
} from '../store/postgres/executions.js'
import { endHosts } from '../store/postgres/ledger.js'
import { listOpenShards, takeLook } from '../store/postgres/looks.js'
import { findPlan } from '../store/postgres/plans.js'
import type { Db } from '../store/postgres/pool.js'
import { countTakenPlaces, listOpenHosts, type OpenHost, setPlaces } from '../store/postgres/shards.js'
import type { Look } from './contract.js'
import type { ControlDependencies } from './dependencies.js'
import { type Key as ExecutionKey, superseded } from './owner.js'
import { prepareTask } from './prepare-task.js'
import { retryDue } from './retry-due.js'
import { signShard } from './sign-shard.js'
import { openStepSecrets, rejectWithout, roomFor } from './step-secrets.js'

interface Placed {
  host: OpenHost
  placement: Placement
}

type Key = ExecutionKey & { stepExecutionId: StepExecutionId }

/** A look at a step. */
export interface Looking {
  key: Key
  execution: Execution
  /** Its number. */
  look: number
  /** Shards that the workflow carries. */
  shards: string[]
}

/** In a transaction that holds the execution. @throws PlatformError step_unknown, execution_superseded */
export async function lookAtHosts(
  tx: Db,
  deps: ControlDependencies,
  looking: Looking,
  step: StepStanding,
): Promise<Look> {
  const { key, execution } = looking
  const shards = looking.shards as ShardId[]
  if (isFinalExecutionState(execution.state)) throw superseded(key)
  const cancelled = execution.cancelRequestedAt !== null
  const paused = execution.pause !== null && !cancelled
  const { isTaken: isNew, at } = await takeLook(tx, key, { number: looking.look, shards, again: false })
  const ending = isEnding(execution, key)
  const rules = {
    cancelled,
    ending,
    expired: execution.expiresAt <= at,
    ...rebootRules({ awayMs: step.awayMs, isWanted: !cancelled && !ending }, deps.lostAfterMs),
  }
  const retries = step.retryDelaysMs.length > 0 && !cancelled && !paused && !ending && !rules.expired
  const retrying = retries ? await retryDue(tx, key, step.retryDelaysMs, isNew) : {}
  const placed = (await listOpenHosts(tx, key)).map((host) => ({ host, placement: placeHost(host, rules) }))
  if (!isNew) {
    // Its answer was lost, or a newer look has been taken. What it made is told again, and what is left is for the next.
    const made = (await listOpenShards(tx, key)).filter((shard) => !shards.includes(shard.shardId))
    return { shards: made, missing: paused ? 0 : placed.length, held: 0, ...retrying }
  }
  if (!cancelled && !paused) {
    const begun = ending ? 'cancelling' : 'running'
    if (execution.state !== 'running') await setExecutionState(tx, key, 'running')
    if (step.state !== begun) await setStepState(tx, key, begun)
  }
  await endPlaced(tx, key, placed)
  if (paused) return { shards: [], missing: 0, held: 0 }
  const ready = placed.filter(({ placement }) => placement.do === 'dispatch')
  const missing = placed.filter(({ placement }) => placement.do === 'wait').length
  // They may be at work without a shard, or restart: each holds its place until it is back or given up.
  const away = placed.filter(
    ({ host, placement }) => placement.do === 'wait' && !isPending(host.state),
  ).length
  const making = { key, execution, standing: step, ready, away, shards, at }
  const { places = { places: step.places, away }, ...made } = await makeShards(tx, deps, making)
  await keepPlaces(tx, key, step, places)
  return { ...made, missing, ...retrying }
}

/** Whether an operator goes past the step: what is left of it is ended, and nothing of it is begun. */
export function isEnding(execution: Execution, key: { stepExecutionId: StepExecutionId }): boolean {
  return execution.endingStep === key.stepExecutionId
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

/** As `setPlaces`; null: all at once. */
interface Places {
  places: number | null
  away: number
}

async function keepPlaces(tx: Db, key: Key, step: StepStanding, { places, away }: Places): Promise<void> {
  if (places === null || (places === step.places && away === step.placesAway)) return
  await setPlaces(tx, key, { places, away })
}

interface Making {
  key: Key
  execution: Execution
  standing: StepStanding
  ready: readonly Placed[]
  /** Hosts that are under way and have no session. */
  away: number
  /** Shards of the step that are open. */
  shards: readonly ShardId[]
  /** The time of the orders. */
  at: Date
}

async function makeShards(
  tx: Db,
  deps: ControlDependencies,
  making: Making,
): Promise<Pick<Look, 'shards' | 'held' | 'watch'> & { places?: Places }> {
  const { key, execution, standing, away, at } = making
  const { position } = standing
  const asked = making.ready.map(({ host }) => host)
  if (!asked.length) return { shards: [], held: 0 }
  const { plan, step } = await compiledStep(tx, { key, execution }, position)
  const task = await prepareTask(tx, step, { key, plan, position, hosts: asked })
  if (!task) return { shards: [], held: 0 }
  const secrets = await openStepSecrets(tx, deps, { key, secrets: step.secrets, hosts: asked })
  const refused = secrets ? await rejectWithout(tx, key, secrets, asked) : nobody
  const ready = making.ready.filter(({ host }) => !refused.has(host.hostId))
  // Hosts that are only to be stopped wait for no limit.
  const stopping = execution.cancelRequestedAt !== null || isEnding(execution, key)
  const taken = making.shards.length && !stopping ? await countTakenPlaces(tx, key) : 0
  const limit = concurrencyLimit(step.concurrency, standing.hosts)
  const free = stopping ? ready.length : limit - taken - away
  const byId = new Map(ready.map(({ host }) => [host.hostId, host]))
  // Hosts that were sent their order already come first: they are under way, whatever the limit says.
  const sorted = [...ready].sort((a, b) => Number(isPending(a.host.state)) - Number(isPending(b.host.state)))
  const split = splitShards(
    sorted.map(({ host, placement }) => ({
      hostId: host.hostId,
      gateway: placement.do === 'dispatch' ? placement.gateway : '',
      // A shard's orders are all for one text, and each attempt has its own.
      task: host.scriptSha256 ?? '',
    })),
    Math.min(deps.shardMaxHosts, secrets?.shardLimit ?? deps.shardMaxHosts),
  )
  let room = stopping ? Number.POSITIVE_INFINITY : await roomFor(tx, key, secrets)
  const isUnderWay = (id: HostId) => !isPending(byId.get(id)?.state ?? 'pending')
  const limits = shareLimit(
    free,
    split.map(({ hostIds }) => ({ hosts: hostIds.length, underWay: hostIds.filter(isUnderWay).length })),
  )
  const shards: ShardRef[] = []
  const held: HostId[] = []
  for (const [index, { gateway, hostIds }] of split.entries()) {
    const hostLimit = limits[index] ?? 0
    if (hostLimit === 0 || room <= 0) {
      held.push(...hostIds)
      continue
    }
    room -= hostIds.length
    const hosts = hostIds.flatMap((id) => byId.get(id) ?? [])
    shards.push({
      shardId: await signShard(tx, deps, { key, execution, task, secrets, gateway, hosts, hostLimit, at }),
      gateway,
      hosts: hosts.length,
    })
  }
  // They get the first place that is free; a place does not help where no more secrets may be open.
  const isWaiting = room > 0 && held.length > 0
  const places = step.concurrency === undefined ? null : limit
  return {
    shards,
    held: held.length,
    ...(isWaiting ? { watch: true } : {}),
    places: { places, away: away + held.filter(isUnderWay).length },
  }
}

const isPending = (state: HostState) => state === 'pending'
const nobody: ReadonlySet<HostId> = new Set()

async function compiledStep(
  tx: Db,
  { key, execution }: Pick<Making, 'key' | 'execution'>,
  position: number,
): Promise<{ plan: CompiledPlan; step: CompiledHostStep }> {
  const plan = await findPlan(tx, key.scopeId, execution.planHash)
  const step = hostStepOf(plan?.steps[position])
  if (!plan || !step) throw stepUnknown(key)
  return { plan, step }
}

export function stepUnknown(key: Key): PlatformError {
  return new PlatformError(
    'step_unknown',
    `run r-${key.executionId} has no step execution ${key.stepExecutionId}`,
  )
}
