/** The fleet, as an activity sees it: something that can carry one shard through on the hosts it holds. */
import type { ShardId } from './id.js'

/** What became of a shard's hosts at this gateway, in counts. */
export interface ShardOutcome {
  /** Hosts that have an end in the ledger. */
  settled: number
  /** Hosts that have no session here any more; whoever holds them now goes on. */
  moved: number
}

export interface Fleet {
  /**
   * Dispatches a shard's orders to the hosts with a session here and waits until each has an end or has moved.
   * Safe to call again with the same shard: agents answer a known order with what became of it.
   * @param stopped resolves when the caller wants it to stop waiting (the hosts go on)
   * @param onProgress called with the number of hosts that have an end
   */
  runShard(
    shardId: ShardId,
    stopped: Promise<void>,
    onProgress: (settled: number) => void,
  ): Promise<ShardOutcome>
}
