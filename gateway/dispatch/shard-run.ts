/** One shard being carried through: orders out within the limit, ends in, until nothing of it is left here. */
import type { ShardOutcome } from '../../domain/fleet.js'
import { isFinalHostState } from '../../domain/host-result.js'
import type { HostId } from '../../domain/id.js'
import { markDispatched } from '../../store/postgres/ledger.js'
import {
  type ExecutionFlags,
  findShardProgress,
  type ShardWork,
  takePlaces,
} from '../../store/postgres/shards.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from '../session/registry.js'
import type { Session } from '../session/session.js'
import { type Hold, holdOf, mayTell, sendCancel, sendDispatch, textOf } from './orders.js'

type WorkHost = ShardWork['hosts'][number]

/**
 * `ready`: to be sent (again) · `sent`: its agent has the order · `settled`: has an end · `left`: for another round ·
 * `gone`: another shard has it.
 */
interface HostRun {
  host: WorkHost
  phase: 'ready' | 'sent' | 'settled' | 'left' | 'gone'
  /** The stop order that the agent was told in this session. */
  stop: Buffer | undefined
  /** Since when its session has been away, ms of the clock; 0 while it is here. */
  awaySince: number
  sentAt: number
}

// A session that breaks is mostly back within a second; the workflow waits for the others, and says so.
const RECONNECT_GRACE_MS = 5_000
const LEDGER_EVERY_MS = 1_500

// Hosts that are left over gather for this long before the whole shard goes back: agents answer known orders, so that what
// runs goes on untouched in its next shard.
const LEFT_OVER_MS = 1_000

// An order without any answer for this long is sent again: it is the agent that keeps it from starting twice.
const ASK_AGAIN_MS = 15_000

/** Nothing is left to do for it here. */
const isDone = (run: HostRun) => run.phase === 'settled' || run.phase === 'gone'

/** It holds a place of the limit: its agent may have the order, also while its session is away. */
const isUnderWay = (run: HostRun) => !isDone(run) && (run.phase === 'sent' || run.host.state !== 'pending')

export class ShardRun {
  private readonly runs: Map<HostId, HostRun>
  /** How many hosts may be under way at once. */
  private limit: number
  private held: Hold | undefined
  private wake: () => void = () => {}
  private woken = false
  private ledgerAt = Date.now()
  private leftSince = 0
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry
  private readonly work: ShardWork

  constructor(deps: GatewayDependencies, sessions: SessionRegistry, work: ShardWork) {
    this.deps = deps
    this.sessions = sessions
    this.work = work
    this.limit = work.hostLimit
    this.runs = new Map(
      work.hosts.map((host) => [
        host.hostId,
        { host, phase: 'ready', stop: undefined, awaySince: 0, sentAt: 0 },
      ]),
    )
  }

  get stepExecutionId(): string {
    return this.work.stepExecutionId
  }

  /** Whether it carries an older shard of the same step: ids of shards grow. */
  isBefore(other: ShardRun): boolean {
    const { stepExecutionId, shardId } = this.work
    return stepExecutionId === other.stepExecutionId && BigInt(shardId) < BigInt(other.work.shardId)
  }

  /** Whether this run tells a host what to do about an attempt of a step. */
  carries({
    stepExecutionId,
    hostId,
    attempt,
  }: {
    stepExecutionId: string
    hostId: HostId
    attempt: number
  }): boolean {
    const run = this.stepExecutionId === stepExecutionId ? this.runs.get(hostId) : undefined
    return run?.host.attempt === attempt && (run.phase === 'ready' || run.phase === 'sent')
  }

  /** Another shard has these hosts now: nothing more is sent to them from here. */
  handOver(hosts: readonly { hostId: HostId }[]): void {
    for (const { hostId } of hosts) {
      const run = this.runs.get(hostId)
      if (run && run.phase !== 'settled') run.phase = 'gone'
    }
    this.nudge()
  }

  /** A host's session came or went: its order may be lost, so it is sent again; the agent knows what it has. */
  sessionChanged(hostId: HostId): void {
    const run = this.runs.get(hostId)
    if (!run || isDone(run)) return
    run.phase = 'ready'
    run.stop = undefined
    this.nudge()
  }

  /** The ledger has this host's end. */
  settled(hostId: HostId, attempt: number): void {
    const run = this.runs.get(hostId)
    if (run?.host.attempt !== attempt) return
    run.phase = 'settled'
    this.nudge()
  }

  flagsChanged(flags: ExecutionFlags): void {
    const wasHeld = this.isHeld
    this.held = holdOf(flags, this.work.stepExecutionId)
    // What was left is taken up again, and what was sent may have lost its order: agents answer a known one with its state.
    if (wasHeld && !this.isHeld) for (const run of this.runs.values()) if (!isDone(run)) run.phase = 'ready'
    this.nudge()
  }

  /** Carries it through. @param onProgress called with the number of hosts that have an end */
  async finish(stopped: Promise<void>, onProgress: (settled: number) => void): Promise<ShardOutcome> {
    let abandoned = false
    void stopped.then(() => {
      abandoned = true
      this.nudge()
    })
    while (!abandoned) {
      await this.turn()
      onProgress(this.count('settled'))
      if (this.isOver) break
      await this.next()
    }
    return { settled: this.count('settled'), moved: this.runs.size - this.count('settled') }
  }

  /** Nothing is left to do here; or hosts were left over that must not wait for the slowest of the others. */
  private get isOver(): boolean {
    if (this.count('ready') + this.count('sent') === 0) return true
    if (this.isHeld || this.count('left') === 0) this.leftSince = 0
    else this.leftSince ||= Date.now()
    return this.leftSince > 0 && Date.now() - this.leftSince >= LEFT_OVER_MS
  }

  private get isHeld(): boolean {
    return this.held?.isHeld === true
  }

  private async turn(): Promise<void> {
    if (Date.now() - this.ledgerAt >= LEDGER_EVERY_MS) {
      await this.compareLedger()
      if (!this.isHeld) await this.takePlaces()
    }
    if (this.isHeld) this.hold()
    else await this.dispatch()
  }

  /** Where hosts wait for the limit, other shards of the step may have left places that they do not use any more. */
  private async takePlaces(): Promise<void> {
    if (this.room > 0) return
    // Those that are away now are left where they are: their turn may be hours off.
    const waiting = [...this.runs.values()].filter(
      (run) => run.phase === 'ready' && !isUnderWay(run) && this.sessions.get(run.host.hostId),
    )
    if (!waiting.length) return
    const { shardId } = this.work
    const taking = { shardId, gateway: this.deps.self.name, wanted: waiting.length }
    this.limit = (await takePlaces(this.deps.pool, taking)) ?? this.limit
  }

  private get room(): number {
    let room = this.limit
    for (const run of this.runs.values()) if (isUnderWay(run)) room--
    return room
  }

  /** Sends orders up to the limit, each marked in the ledger first; those that were sent before are sent again beside it. */
  private async dispatch(): Promise<void> {
    let { room } = this
    const batch: { run: HostRun; session: Session }[] = []
    for (const run of this.runs.values()) {
      if (run.phase !== 'ready' || (room <= 0 && !isUnderWay(run))) continue
      const session = this.sessionOf(run)
      if (!session) continue
      if (!isUnderWay(run)) room--
      batch.push({ run, session })
    }
    if (!batch.length) return
    const hosts = batch.map(({ run, session }) => ({ hostId: run.host.hostId, epoch: session.epoch }))
    const [allowed] = await Promise.all([
      markDispatched(this.deps.pool, this.work, hosts, this.deps.self.name),
      textOf(this.deps, this.work),
    ])
    for (const { run, session } of batch) {
      if (!allowed.has(run.host.hostId) || run.phase !== 'ready') continue
      const sent = await sendDispatch(this.deps, session, this.work, run.host)
      run.host.state = run.host.state === 'pending' ? 'dispatched' : run.host.state
      if (sent) run.phase = 'sent'
      run.sentAt = Date.now()
    }
    if (allowed.size < batch.length)
      await this.refused(batch.map(({ run }) => run).filter((run) => !allowed.has(run.host.hostId)))
  }

  /**
   * Hosts that may not be sent their order: cancelled, held, out of time, ended or given to another shard this very
   * moment. What was sent nothing is left to the next look at the ledger; what was sent its order is still waited for.
   */
  private async refused(runs: readonly HostRun[]): Promise<void> {
    await this.compareLedger()
    for (const run of runs) {
      if (run.phase !== 'ready') continue
      run.phase = run.host.state === 'pending' ? 'left' : 'sent'
      run.sentAt = Date.now()
    }
  }

  /** Cancelled, paused or its step ended: nothing new leaves, and what runs is stopped if a stop was signed. */
  private hold(): void {
    for (const run of this.runs.values()) {
      if (isDone(run) || run.phase === 'left') continue
      if (run.host.state === 'pending' && run.phase === 'ready') {
        run.phase = 'left'
        continue
      }
      const session = this.sessionOf(run)
      const { held } = this
      if (session && held?.stopOrder && !run.stop?.equals(held.stopOrder)) {
        const facts = { ...this.work, attempt: run.host.attempt }
        if (sendCancel(session, held, facts)) run.stop = held.stopOrder
      }
      if (session && run.phase === 'ready') run.phase = 'sent'
    }
  }

  /** The host's session here; one that stays away too long is left to whoever gets it. */
  private sessionOf(run: HostRun): Session | undefined {
    const session = this.sessions.get(run.host.hostId)
    // The ledger decides about a host with another journal.
    if (session && !mayTell(session, run.host.journalId)) {
      run.phase = 'left'
      return undefined
    }
    if (session) {
      run.awaySince = 0
      return session
    }
    run.awaySince ||= Date.now()
    if (Date.now() - run.awaySince >= RECONNECT_GRACE_MS) run.phase = 'left'
    return undefined
  }

  /** Takes from the ledger what did not come through this gateway: ends told elsewhere, sessions that moved. */
  private async compareLedger(): Promise<void> {
    this.ledgerAt = Date.now()
    const rows = await findShardProgress(this.deps.pool, this.work.shardId, this.deps.self.bootId)
    const states = new Map(rows.map((row) => [row.hostId, row]))
    for (const run of this.runs.values()) {
      if (isDone(run)) continue
      const row = states.get(run.host.hostId)
      // A row that is gone has been given to another shard: by a retry, or because this one was closed.
      if (!row || (row.elsewhere && !this.sessions.get(run.host.hostId))) {
        run.phase = 'left'
        continue
      }
      run.host.state = row.state
      if (isFinalHostState(row.state)) run.phase = 'settled'
      else if (row.state === 'dispatched' && run.phase === 'sent' && Date.now() - run.sentAt > ASK_AGAIN_MS)
        run.phase = 'ready'
    }
  }

  private count(phase: HostRun['phase']): number {
    let n = 0
    for (const run of this.runs.values()) if (run.phase === phase) n++
    return n
  }

  private nudge(): void {
    this.woken = true
    this.wake()
  }

  /** Resolves at the next nudge, or within half a second. */
  private async next(): Promise<void> {
    if (!this.woken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.woken = false
    this.wake = () => {}
  }
}
