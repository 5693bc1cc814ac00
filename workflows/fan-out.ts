/** Fanning a step out: shards to gateways, again and again, until every host of the step has an end. */
import { allHandlersFinished, condition, sleep } from '@temporalio/workflow'
import type { ClaimedStep, ExecutionRef, Resolution } from '../activities/contract.js'
import type { ShardRef } from '../domain/shard.js'
import { isFinalStepState } from '../domain/step-execution.js'
import { awaitHosts, hostsText, runShard } from './activities.js'
import type { RunState } from './run-state.js'
import type { Display } from './show.js'

// Between a shard that failed and the next look: enough for a session to move, little enough to go unnoticed.
const AFTER_FAILURE_MS = 500

export class FanOut {
  private readonly active = new Set<string>()
  private missing = 0
  private retrying = 0
  private held = 0
  private awaiting = false
  private look = true
  /** Shards have ended since the last look: whether that asks for another one is decided when the ledger is quiet. */
  private shardsEnded = false
  private readonly ref: ExecutionRef
  private readonly step: ClaimedStep
  private readonly run: RunState
  private readonly display: Display

  constructor(ref: ExecutionRef, step: ClaimedStep, run: RunState, display: Display) {
    this.ref = ref
    this.step = step
    this.run = run
    this.display = display
  }

  private get stepRef() {
    return { ...this.ref, stepExecutionId: this.step.stepExecutionId }
  }

  /**
   * Resolves when every host of the step has an end and the step its verdict; or, with false, when the history has become
   * so long that a new one must go on. What is under way then is taken up again like what a lost gateway leaves.
   */
  async finish(): Promise<boolean> {
    for (;;) {
      await this.run.ledger.quiet()
      if (this.shardsEnded && !this.done) this.look = true
      this.shardsEnded = false
      if (this.run.isLong) return false
      const seen = this.run.changes
      if (this.look) await this.resolve()
      // It was skipped meanwhile, or has been ended from outside.
      if (isFinalStepState(this.step.state)) return true
      if (this.done && seen === this.run.changes && (await this.close())) return true
      if (this.look) continue
      this.say()
      await condition(
        () => this.run.changes !== seen || this.done || this.look || this.shardsEnded || this.run.isLong,
      )
      if (this.run.changes !== seen) this.look = true
    }
  }

  /** While a run is held nothing new is begun, and no step gets its verdict; a cancel must still reach every host. */
  private get mayGoOn(): boolean {
    return !this.run.paused || this.run.cancelRequested
  }

  /** Nothing is under way or waited for: closing the step tells whether a host was left over all the same. */
  private get done(): boolean {
    return !this.active.size && !this.missing && !this.retrying && !this.held && this.mayGoOn
  }

  private async resolve(): Promise<void> {
    this.look = false
    const resolution = this.run.takeAhead(this.step.stepExecutionId) ?? (await this.askLedger())
    const { shards, missing, held, counts, retrying = 0, watch } = resolution
    this.run.setCounts(this.step, counts)
    this.run.adopt(resolution.standing, new Map([[this.step, resolution.state]]))
    this.missing = missing
    this.retrying = retrying
    this.held = held
    for (const shard of shards) void this.carry(shard)
    const isWatched = watch && this.active.size > 0
    if ((missing || retrying || isWatched) && !this.awaiting) void this.awaitMissing()
  }

  private askLedger(): Promise<Resolution> {
    const activeShards = [...this.active]
    return this.run.ledger.resolveShards({ ...this.stepRef, look: this.run.nextLook(), activeShards })
  }

  private async carry(shard: ShardRef): Promise<void> {
    this.active.add(shard.shardId)
    const leftOver = await this.outcomeOf(shard)
    this.active.delete(shard.shardId)
    this.shardsEnded = true
    if (leftOver) this.look = true
  }

  /** @returns whether hosts of the shard may be left without an end */
  private async outcomeOf(shard: ShardRef): Promise<boolean> {
    try {
      const { moved } = await runShard(shard, this.step.name)
      return moved > 0
    } catch {
      // The gateway died, drained or was never there: the ledger knows what is left, whoever holds the hosts now goes on.
      await sleep(AFTER_FAILURE_MS, { summary: `${shard.gateway} did not finish its shard; looking again` })
      return true
    }
  }

  private async awaitMissing(): Promise<void> {
    this.awaiting = true
    await awaitHosts(this.missing, this.retrying)({ ...this.stepRef, held: this.held > 0 }).catch(() => {})
    this.awaiting = false
    this.look = true
  }

  /** @returns whether the step has its verdict */
  private async close(): Promise<boolean> {
    const { state, open, counts, standing, next } = await this.run.ledger.closeStep({
      ...this.stepRef,
      look: this.run.nextLook(),
      onFailure: this.step.onFailure,
      // An operation that has come may change what comes next, and a new history begins with a look of its own.
      goOn: allHandlersFinished() && !this.run.isLong,
    })
    this.run.setCounts(this.step, counts)
    this.run.adopt(standing, new Map())
    if (open) {
      // A host was left without an end that no shard told of: looked at again, but never in a tight loop.
      await sleep(AFTER_FAILURE_MS, { summary: `${open} left over; looking again` })
      this.look = true
      return false
    }
    this.step.state = state
    this.run.keepAhead(next)
    return true
  }

  private say(): void {
    const { waiting } = this
    this.run.waiting = waiting
    this.display.show(this.run)
  }

  private get waiting(): string | undefined {
    if (this.run.cancelRequested) return `cancelling: waiting for scripts to stop`
    if (this.run.paused) return 'paused by an operator: resume or cancel it'
    if (this.missing) return `waiting for ${hostsText(this.missing)} to reconnect`
    if (this.retrying && !this.active.size)
      return `waiting until ${hostsText(this.retrying)} that failed may run again`
    return undefined
  }
}
