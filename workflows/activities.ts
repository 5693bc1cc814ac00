/** The activities as a workflow calls them: timeouts, retries and cancellation stand here and nowhere else. */
import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow'
import type { ControlActivities, GatewayActivities, Look } from '../activities/contract.js'
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
 * What is asked of the ledger, one question at a time. Which one comes next follows from the answers alone: events may come while
 * a question is under way, or after its answer, and stand before both of them in the history that a replay goes by (ADR 17).
 */
export const ledger = {
  claimExecution: local('claimExecution', 'take the run'),
  advance: local('advance', 'what comes next'),
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

/** The wait for hosts that are away, that get another attempt, or that the limit of the step holds back; as long as it takes. */
export function awaitHosts({ missing, retrying = 0, held }: Pick<Look, 'missing' | 'retrying' | 'held'>) {
  const why = [
    missing ? `for ${hostsText(missing)} to reconnect` : '',
    retrying ? `until ${hostsText(retrying)} that failed may run again` : '',
    held ? `until ${hostsText(held)} may run beside the others` : '',
    missing || retrying || held ? '' : 'for hosts that fail, to run them again',
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
export function runShard(shard: ShardRef, step: string, afterMs: number): Promise<ShardOutcome> {
  const gateway = proxyActivities<GatewayActivities>({
    taskQueue: gatewayQueue(shard.gateway),
    scheduleToStartTimeout: NOBODY_POLLS,
    startToCloseTimeout: SHARD_LIMIT,
    heartbeatTimeout: SILENT,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { maximumAttempts: 1 },
    summary: `${step} · ${hostsText(shard.hosts)} · ${shard.gateway}`,
  })
  return gateway.runShard({ shardId: shard.shardId, ...(afterMs ? { afterMs } : {}) })
}
