/** What a run has under way: shards on gateways, a wait for hosts, a timer. Begun by answers of the ledger and by nothing else. */
import { CancellationScope, sleep } from '@temporalio/workflow'
import type { Advance, ExecutionRef, Known, Look } from '../activities/contract.js'
import type { ShardRef } from '../domain/shard.js'
import { awaitHosts, runShard } from './activities.js'

// Between a shard that failed and its successor's begin: enough for a session to move, little enough to go unnoticed.
const AFTER_FAILURE_MS = 500

export class UnderWay {
  private readonly shards = new Set<string>()
  /** Shards that were not carried through since the last question. */
  private failures = 0
  private waits = { begun: 0, ended: 0 }
  private wakes = { begun: 0, ended: 0 }
  private timer: { at: string; scope: CancellationScope } | undefined
  private readonly ref: ExecutionRef

  constructor(ref: ExecutionRef) {
    this.ref = ref
  }

  get known(): Pick<Known, 'shards' | 'waits' | 'wakes'> {
    return { shards: [...this.shards], waits: this.waits.ended, wakes: this.wakes.ended }
  }

  /** Whether something has ended that an answer did not know of. */
  hasNews({ known, step }: Advance): boolean {
    const carried = [...known.shards, ...(step?.shards ?? []).map((shard) => shard.shardId)]
    return (
      carried.some((id) => !this.shards.has(id)) ||
      this.waits.ended > known.waits ||
      this.wakes.ended > known.wakes
    )
  }

  /** Begins what an answer asks for. @param name of the step, for the Temporal UI */
  begin({ known, step }: Advance, name: string): void {
    for (const shard of step?.shards ?? []) void this.carry(shard, name)
    this.failures = 0
    if (step && needsWait(step, known) && this.waits.begun === known.waits)
      void this.wait(step.stepExecutionId, step)
    this.keepTimer(step?.wake, known, name)
  }

  private async carry(shard: ShardRef, name: string): Promise<void> {
    if (this.shards.has(shard.shardId)) return
    this.shards.add(shard.shardId)
    try {
      await runShard(shard, name, this.failures ? AFTER_FAILURE_MS : 0)
    } catch {
      // The gateway died, drained or was never there: the ledger knows what is left, whoever holds the hosts now goes on.
      this.failures++
    }
    this.shards.delete(shard.shardId)
  }

  private async wait(stepExecutionId: string, look: Look): Promise<void> {
    this.waits.begun++
    const input = { ...this.ref, stepExecutionId, held: look.held > 0 }
    await awaitHosts(look)(input).catch(() => {})
    this.waits.ended++
  }

  /** One timer at most, for the time that the answer names; it is taken away where the answer names none, or another. */
  private keepTimer(wake: Look['wake'], known: Known, name: string): void {
    const isRunning = this.timer !== undefined && this.wakes.begun > known.wakes
    if (isRunning && this.timer?.at === wake?.at) return
    if (isRunning) this.cancelTimer()
    if (!wake) return
    const scope = new CancellationScope()
    this.timer = { at: wake.at, scope }
    const number = ++this.wakes.begun
    void scope
      .run(() => sleep(wake.inMs, { summary: `${name}: waiting for its time` }))
      .then(() => {
        this.wakes.ended = number
      })
      .catch(() => {})
  }

  private cancelTimer(): void {
    this.timer?.scope.cancel()
    this.timer = undefined
    // It does not fire any more: as if it had, and been told.
    this.wakes.begun = this.wakes.ended
  }
}

/** Whether somebody must tell of hosts that come back or fail, as no shard does. */
const needsWait = (step: Look, known: Known) =>
  step.missing > 0 ||
  (step.retrying ?? 0) > 0 ||
  (step.watch === true && known.shards.length + step.shards.length > 0)
