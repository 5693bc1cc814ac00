/** Shards: a step's hosts, grouped by the gateway that holds their sessions. */
import type { HostId, ShardId } from './id.js'

/** Most hosts of one shard: its orders stay under 1 MB and its activity under a second of signing. */
export const SHARD_MAX_HOSTS = 1_000

/** Splits hosts with a session into shards of one gateway and one task each, keeping the order of `hosts`. @param hosts task: what it is to do, where that is not the same for all */
export function splitShards(
  hosts: readonly { hostId: HostId; gateway: string; task?: string }[],
  max = SHARD_MAX_HOSTS,
): { gateway: string; hostIds: HostId[] }[] {
  const open = new Map<string, HostId[]>()
  const shards: { gateway: string; hostIds: HostId[] }[] = []
  for (const { hostId, gateway, task } of hosts) {
    const like = task === undefined ? gateway : `${gateway} ${task}`
    let hostIds = open.get(like)
    if (!hostIds || hostIds.length >= max) {
      hostIds = []
      open.set(like, hostIds)
      shards.push({ gateway, hostIds })
    }
    hostIds.push(hostId)
  }
  return shards
}

/**
 * How many hosts each shard may have under way at once, so that together they keep the step's limit; 0 waits for the next round.
 * @param sizes underWay: hosts that were sent their order already: they hold a place, whatever the limit says
 */
export function shareLimit(limit: number, sizes: readonly { hosts: number; underWay: number }[]): number[] {
  let left = Math.max(0, limit - sum(sizes.map(({ underWay }) => underWay)))
  let waiting = sum(sizes.map(({ hosts, underWay }) => hosts - underWay))
  return sizes.map(({ hosts, underWay }) => {
    const pending = hosts - underWay
    const share = left >= waiting ? pending : Math.min(pending, left, Math.ceil((left * pending) / waiting))
    left -= share
    waiting -= pending
    return underWay + share
  })
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, n) => all + n, 0)

/** The task queue of one gateway. */
export function gatewayQueue(gateway: string): string {
  return `gateway.${gateway}`
}

/** The task queue of the control workers. */
export const CONTROL_QUEUE = 'drover'

export interface ShardRef {
  shardId: ShardId
  gateway: string
  /** Hosts in it. */
  hosts: number
}
