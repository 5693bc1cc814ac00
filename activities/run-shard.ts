/** Carries a shard through on the gateway that this worker lives in; heartbeats let its death be noticed. */
import { Context } from '@temporalio/activity'
import type { Fleet } from '../domain/fleet.js'
import type { ShardId } from '../domain/id.js'
import type { GatewayActivities } from './contract.js'

const BEAT_EVERY_MS = 1_000

export function createRunShard(fleet: Fleet): GatewayActivities['runShard'] {
  return async (input) => {
    const context = Context.current()
    let settled = 0
    const beat = setInterval(() => context.heartbeat({ settled }), BEAT_EVERY_MS)
    const stopped = context.cancelled.catch(() => {})
    try {
      if (input.afterMs) await context.sleep(input.afterMs)
      return await fleet.runShard(input.shardId as ShardId, stopped, (count) => {
        settled = count
      })
    } finally {
      clearInterval(beat)
    }
  }
}
