/** The agents' front door: sessions in, orders out, results and output to the stores. */
import { PlatformError } from '../domain/errors.js'
import type { Fleet } from '../domain/fleet.js'
import type { ExecutionId, HostId } from '../domain/id.js'
import { AgentGatewayServiceService } from '../proto/index.js'
import { beatGateway, claimGateway, releaseGateway } from '../store/postgres/gateways.js'
import { findShardWork } from '../store/postgres/shards.js'
import { Admission } from './admission.js'
import type { GatewayDependencies } from './dependencies.js'
import { AnswerTimes } from './dispatch/answer-times.js'
import { FlagWatch } from './dispatch/flags.js'
import { ShardRun } from './dispatch/shard-run.js'
import { StrandedWatch } from './dispatch/stranded.js'
import { requestGatewayIdentity, type TlsIdentity } from './identity.js'
import { HintSender } from './intake/hints-out.js'
import { LedgerWriter } from './intake/ledger-writer.js'
import { OutputWriter } from './intake/output-writer.js'
import { type Listener, listen } from './listen.js'
import { createBytesListener } from './relay/bytes.js'
import { UpgradeRelay } from './relay/upgrades.js'
import { Beats } from './session/beats.js'
import { RecoveredWatch } from './session/recovered.js'
import { comeBackAfterMs, SessionRegistry } from './session/registry.js'
import { createAgentService } from './session/service.js'
import { SilenceWatch } from './session/silence.js'
import { loadTrust, type Trust } from './trust.js'

export interface GatewayOptions {
  host: string
  port: number
  /** Aborted when the start is to be given up. */
  signal: AbortSignal
  /** Called when another process has taken this gateway's name: this one must end. */
  onNameLost: () => void
}

export interface Credentials {
  trust: Trust
  identity: TlsIdentity
}

const BEAT_EVERY_MS = 2_000

// Of 20 connections to the database; a statement that hangs gives its place on.
const OPENINGS = 8
const OPENING_LEASE_MS = 5_000

// So many hellos are answered in well under a second; more handshakes would only wait behind them.
const MOST_WAITING_HELLOS = 64

export class Gateway implements Fleet {
  private readonly runs = new Set<ShardRun>()
  private draining = false
  private listener: Listener | undefined
  private beat: NodeJS.Timeout | undefined
  private renewal: NodeJS.Timeout | undefined
  readonly sessions = new SessionRegistry()
  readonly answers = new AnswerTimes()
  private readonly flags: FlagWatch
  private readonly beats: Beats
  private readonly silence: SilenceWatch
  private readonly stranded: StrandedWatch
  private readonly upgrades: UpgradeRelay
  private readonly recovered: RecoveredWatch
  readonly ledger: LedgerWriter
  readonly output: OutputWriter
  private readonly deps: GatewayDependencies

  constructor(deps: GatewayDependencies) {
    this.deps = deps
    const hints = new HintSender(deps.pool, deps.logger)
    this.flags = new FlagWatch(deps.pool, deps.hints, deps.logger)
    this.beats = new Beats(deps, this.sessions)
    this.silence = new SilenceWatch(this.sessions, deps.heartbeatMs, deps.logger)
    this.stranded = new StrandedWatch(deps, this.sessions, (task) =>
      [...this.runs].some((run) => run.carries(task)),
    )
    this.upgrades = new UpgradeRelay(deps, this.sessions)
    this.recovered = new RecoveredWatch(deps, this.sessions)
    this.ledger = new LedgerWriter(deps.pool, hints, deps.logger)
    this.output = new OutputWriter(deps.log, hints, deps.logger)
    this.sessions.watch((hostId) => {
      for (const run of this.runs) run.sessionChanged(hostId)
    })
  }

  get address(): { host: string; port: number } | undefined {
    return this.listener?.address
  }

  /**
   * Takes the name and gets what TLS needs; can be called again after a failure.
   * @throws PlatformError gateway_name_taken
   */
  async prepare(signal: AbortSignal): Promise<Credentials> {
    const { deps } = this
    await this.claim(signal)
    const trust = await loadTrust(deps.pool, deps.self.scopeId, signal)
    return { trust, identity: await requestGatewayIdentity(deps, trust.ca, signal) }
  }

  /** Lets agents in. */
  async start(credentials: Credentials, options: GatewayOptions): Promise<void> {
    const { deps } = this
    const { trust, identity } = credentials
    const openings = new Admission(OPENINGS, OPENING_LEASE_MS)
    this.listener = await listen({
      host: options.host,
      port: options.port,
      identity,
      ca: trust.ca,
      logger: deps.logger,
      isFull: () => openings.waiting > MOST_WAITING_HELLOS,
      bytes: createBytesListener(deps, this.sessions),
      service: {
        definition: AgentGatewayServiceService,
        implementation: createAgentService({
          deps,
          trust,
          sessions: this.sessions,
          ledger: this.ledger,
          output: this.output,
          beats: this.beats,
          upgrades: this.upgrades,
          recovered: this.recovered,
          answers: this.answers,
          openings,
          isDraining: () => this.draining,
          onSettled: (step, hostId, attempt) => this.settled(step, hostId as HostId, attempt),
        }) as never,
      },
    })
    this.beat = setInterval(() => void this.sayAlive(options.onNameLost), BEAT_EVERY_MS)
    this.planRenewal(trust, identity.notAfter, options.signal)
  }

  /** A process that was killed holds its name for 10 s: the one that comes after it waits that long. */
  private async claim(signal: AbortSignal): Promise<void> {
    for (let tries = 0; !signal.aborted; tries++) {
      if (await claimGateway(this.deps.pool, this.deps.self)) return
      if (tries >= 24) break
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new PlatformError(
      'gateway_name_taken',
      `another process is gateway ${this.deps.self.name}; give this one another DROVER_GATEWAY_NAME`,
    )
  }

  private planRenewal(trust: Trust, notAfter: Date, signal: AbortSignal): void {
    // At two thirds of its life, as agents do; a timer holds at most 24 days.
    const wait = Math.min(((notAfter.getTime() - Date.now()) * 2) / 3, 24 * 86_400_000)
    this.renewal = setTimeout(() => void this.renew(trust, signal), wait)
  }

  private async renew(trust: Trust, signal: AbortSignal): Promise<void> {
    try {
      const identity = await requestGatewayIdentity(this.deps, trust.ca, signal)
      this.listener?.renew(identity)
      this.planRenewal(trust, identity.notAfter, signal)
    } catch (err) {
      this.deps.logger.warn(
        { err },
        'the certificate of the gateway could not be renewed; trying again in a minute',
      )
      this.planRenewal(trust, new Date(Date.now() + 90_000), signal)
    }
  }

  private async sayAlive(onNameLost: () => void): Promise<void> {
    try {
      if (!(await beatGateway(this.deps.pool, this.deps.self, this.draining))) onNameLost()
    } catch (err) {
      this.deps.logger.warn({ err }, 'the gateway could not say that it lives')
    }
  }

  private settled(stepExecutionId: string, hostId: HostId, attempt: number): void {
    for (const run of this.runs) if (run.stepExecutionId === stepExecutionId) run.settled(hostId, attempt)
  }

  runShard: Fleet['runShard'] = async (shardId, stopped, onProgress) => {
    const work = await findShardWork(this.deps.pool, shardId)
    if (!work) return { settled: 0, moved: 0 }
    const run = new ShardRun(this.deps, this.sessions, work)
    // This process may have stalled for so long that its hosts were given to a new shard: each has one dispatcher.
    for (const older of this.runs) if (older.isBefore(run)) older.handOver(work.hosts)
    this.runs.add(run)
    const off = this.flags.watch(work.executionId as ExecutionId, (flags) => run.flagsChanged(flags))
    try {
      return await run.finish(stopped, onProgress)
    } finally {
      off()
      this.runs.delete(run)
    }
  }

  /** Lets no new session in, and sends the agents elsewhere, each after a wait of its own. */
  async drain(): Promise<void> {
    this.draining = true
    await this.sayAlive(() => {})
    for (const [index, session] of this.sessions.all().entries())
      session.send({ $case: 'drain', value: { reconnectAfterMs: comeBackAfterMs(index) } })
    await Promise.all([this.ledger.drain(), this.output.drain()])
  }

  async close(): Promise<void> {
    clearInterval(this.beat)
    clearTimeout(this.renewal)
    for (const session of this.sessions.all()) session.end()
    await Promise.all([this.ledger.drain(), this.output.drain()])
    await this.listener?.close()
    this.flags[Symbol.dispose]()
    this.beats[Symbol.dispose]()
    this.silence[Symbol.dispose]()
    this.stranded[Symbol.dispose]()
    this.upgrades[Symbol.dispose]()
    this.recovered[Symbol.dispose]()
    await releaseGateway(this.deps.pool, this.deps.self).catch(() => {})
  }
}
