/** One shard being carried through: orders out within the limit, ends in, until nothing of it is left here. */
import type { ShardOutcome } from '../../domain/fleet.js'
import { isFinalHostState } from '../../domain/host-result.js'
import type { HostId } from '../../domain/id.js'
import { dispatchId } from '../../proto/index.js'
import { markDispatched } from '../../store/postgres/ledger.js'
import { type ExecutionFlags, findShardProgress, type ShardWork } from '../../store/postgres/shards.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from '../session/registry.js'
import type { Session } from '../session/session.js'
import { sendCancel, sendDispatch } from './orders.js'

type WorkHost = ShardWork['hosts'][number]

/** `ready`: to be sent (again) · `sent`: its agent has the order · `settled`: has an end · `left`: for another round. */
interface HostRun {
  host: WorkHost
  phase: 'ready' | 'sent' | 'settled' | 'left'
  /** Whether the agent was told to stop it in this session. */
  stopped: boolean
  /** Since when its session has been away, ms of the clock; 0 while it is here. */
  awaySince: number
  sentAt: number
}

// A session that breaks is mostly back within a second; the workflow waits for the others, and says so.
const RECONNECT_GRACE_MS = 5_000
const LEDGER_EVERY_MS = 1_500

// An order without any answer for this long is sent again: it is the agent that keeps it from starting twice.
const ASK_AGAIN_MS = 15_000

export class ShardRun {
  private readonly runs: Map<HostId, HostRun>
  private flags: ExecutionFlags | undefined
  private wake: () => void = () => {}
  private woken = false
  private ledgerAt = Date.now()
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry
  private readonly work: ShardWork

  constructor(deps: GatewayDependencies, sessions: SessionRegistry, work: ShardWork) {
    this.deps = deps
    this.sessions = sessions
    this.work = work
    this.runs = new Map(
      work.hosts.map((host) => [
        host.hostId,
        { host, phase: 'ready', stopped: false, awaySince: 0, sentAt: 0 },
      ]),
    )
  }

  get stepExecutionId(): string {
    return this.work.stepExecutionId
  }

  /** A host's session came or went: its order may be lost, so it is sent again; the agent knows what it has. */
  sessionChanged(hostId: HostId): void {
    const run = this.runs.get(hostId)
    if (!run || run.phase === 'settled') return
    run.phase = 'ready'
    run.stopped = false
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
    this.flags = flags
    // What was told to wait may have lost its order meanwhile: agents answer a known one with what became of it.
    if (wasHeld && !this.isHeld)
      for (const run of this.runs.values()) if (run.phase === 'sent') run.phase = 'ready'
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
      if (this.count('ready') + this.count('sent') === 0) break
      await this.next()
    }
    return { settled: this.count('settled'), moved: this.runs.size - this.count('settled') }
  }

  private get isHeld(): boolean {
    return this.flags !== undefined && (this.flags.cancelled || this.flags.pause !== null)
  }

  private async turn(): Promise<void> {
    if (Date.now() - this.ledgerAt >= LEDGER_EVERY_MS) await this.compareLedger()
    if (this.isHeld) this.hold()
    else await this.dispatch()
  }

  /** Sends orders up to the limit, each marked in the ledger first. */
  private async dispatch(): Promise<void> {
    const room = this.work.hostLimit - this.count('sent')
    const batch: { run: HostRun; session: Session }[] = []
    for (const run of this.runs.values()) {
      if (batch.length >= room) break
      const session = run.phase === 'ready' ? this.sessionOf(run) : undefined
      if (session) batch.push({ run, session })
    }
    if (!batch.length) return
    const hosts = batch.map(({ run, session }) => ({ hostId: run.host.hostId, epoch: session.epoch }))
    const allowed = await markDispatched(this.deps.pool, this.work, hosts, this.deps.self.name)
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

  /** Cancelled or paused: nothing new leaves, and what runs is stopped if a stop was signed. */
  private hold(): void {
    for (const run of this.runs.values()) {
      if (run.phase === 'settled' || run.phase === 'left') continue
      if (run.host.state === 'pending' && run.phase === 'ready') {
        run.phase = 'left'
        continue
      }
      const session = this.sessionOf(run)
      const stop = this.flags?.stopOrder ? this.flags : undefined
      if (session && stop && !run.stopped) run.stopped = sendCancel(session, stop, this.idOf(run.host))
      if (session && run.phase === 'ready') run.phase = 'sent'
    }
  }

  private idOf(host: WorkHost): Buffer {
    return dispatchId(this.work.stepExecutionId, host.attempt, host.hostId)
  }

  /** The host's session here; one that stays away too long is left to whoever gets it. */
  private sessionOf(run: HostRun): Session | undefined {
    const session = this.sessions.get(run.host.hostId)
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
    for (const { hostId, state, elsewhere } of await findShardProgress(
      this.deps.pool,
      this.work.shardId,
      this.deps.self,
    )) {
      const run = this.runs.get(hostId)
      if (!run || run.phase === 'settled') continue
      run.host.state = state
      if (isFinalHostState(state)) run.phase = 'settled'
      else if (elsewhere && !this.sessions.get(hostId)) run.phase = 'left'
      else if (state === 'dispatched' && run.phase === 'sent' && Date.now() - run.sentAt > ASK_AGAIN_MS)
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
