/** The activities as a workflow calls them: timeouts, retries and cancellation stand here and nowhere else. */
import {
  ActivityFailure,
  ApplicationFailure,
  condition,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow'
import type { ControlActivities, GatewayActivities } from '../activities/contract.js'
import type { ShardOutcome } from '../domain/fleet.js'
import { gatewayQueue, type ShardRef } from '../domain/shard.js'

/**
 * Short transactions on Postgres, run by the worker that runs the workflow: one event each and no hand-over.
 * All are repeatable, and nothing can go on without them: they are tried until the database is back.
 */
function local<Name extends keyof ControlActivities>(name: Name, summary: string): ControlActivities[Name] {
  const activities = proxyLocalActivities<Pick<ControlActivities, Name>>({
    startToCloseTimeout: '30 s',
    retry: { initialInterval: '200 ms', maximumInterval: '5 s', maximumAttempts: 100_000 },
    summary,
  })
  return activities[name] as unknown as ControlActivities[Name]
}

/**
 * The ledger's decisions, by name, one at a time for a workflow. Local activities that are under way together are resolved in
 * the order of their completion when they run and in that of their start when a history is replayed: what each of them
 * leads to would stand in another order there, and the replay would fail (scenario 13).
 */
export function openLedger() {
  let last: Promise<unknown> = Promise.resolve()
  let asked = 0
  const inTurn =
    <I, O>(work: (input: I) => Promise<O>) =>
    (input: I): Promise<O> => {
      asked++
      const mine = last.then(() => atEnd(work(input))).finally(() => asked--)
      last = mine.catch(() => undefined)
      return mine
    }
  return {
    /**
     * Resolves when nothing is asked of the ledger any more. What decides on what happened waits for it: an event that comes
     * while the ledger is being asked is seen before its answer when it happens, and together with it when it is replayed
     * (chaos, seed 500, run 2256).
     */
    quiet: () => condition(() => asked === 0),
    claimExecution: inTurn(local('claimExecution', 'take the run')),
    resolveShards: inTurn(local('resolveShards', 'which hosts are ready, on which gateways')),
    closeStep: inTurn(local('closeStep', 'the verdict of the step')),
    endExecution: inTurn(local('endExecution', 'the end of the run')),
    cancelFromEngine: inTurn(local('cancelFromEngine', 'a cancel from the Temporal UI')),
    applyOperation: inTurn(local('applyOperation', 'what an operator asked for')),
  }
}

/**
 * The answer, once everything else that came with it was taken in: an event that comes while the ledger is being asked is
 * seen before its answer when it happens, and in any order with it when it is replayed.
 */
async function atEnd<T>(answer: Promise<T>): Promise<T> {
  const value = await answer
  // A condition that is not met at once is looked at again when nothing else of this activation is left to do.
  let looked = false
  await condition(() => looked || !(looked = true))
  return value
}

/** Whether the ledger refused, because another workflow carries the execution on or it was ended from outside. */
export function isSuperseded(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error
  return cause instanceof ApplicationFailure && cause.type === 'execution_superseded'
}

// Heartbeats come every 2 s: three that are missing mean that the process is gone, and its work moves within the ten
// seconds that are promised. A process that only stalled so long does no harm: what it still sends has the same ids.
const SILENT = '6 s'

export const hostsText = (hosts: number) => `${hosts} ${hosts === 1 ? 'host' : 'hosts'}`

/** The wait for hosts that are away, or that get another attempt; as long as it takes. */
export function awaitHosts(missing: number, retrying: number) {
  const why = [
    missing ? `for ${hostsText(missing)} to reconnect` : '',
    retrying ? `until ${hostsText(retrying)} that failed may run again` : '',
    missing || retrying ? '' : 'for hosts that fail, to run them again',
  ]
  return proxyActivities<Pick<ControlActivities, 'awaitHosts'>>({
    startToCloseTimeout: '72 h',
    heartbeatTimeout: SILENT,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: '500 ms', maximumInterval: '5 s', maximumAttempts: 100_000 },
    summary: `waiting ${why.filter(Boolean).join(', ')}`,
  }).awaitHosts
}

// A gateway's queue has one poller: nobody taking a shard within this means that the gateway is gone.
const NOBODY_POLLS = '6 s'

// Longest time limit of a script (48 h), its grace and the wait for a host that is away.
const SHARD_LIMIT = '50 h'

/** Carries a shard through on its gateway. One attempt: what comes after a failure is decided from the ledger. */
export function runShard(shard: ShardRef, step: string): Promise<ShardOutcome> {
  const gateway = proxyActivities<GatewayActivities>({
    taskQueue: gatewayQueue(shard.gateway),
    scheduleToStartTimeout: NOBODY_POLLS,
    startToCloseTimeout: SHARD_LIMIT,
    heartbeatTimeout: SILENT,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { maximumAttempts: 1 },
    summary: `${step} · ${hostsText(shard.hosts)} · ${shard.gateway}`,
  })
  return gateway.runShard({ shardId: shard.shardId })
}
