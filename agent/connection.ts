/** The agent's side of its sessions: who it says it is, what it tells regularly, and which certificate it shows. */
import { join } from 'node:path'
import { createLogger } from '../base/logger.js'
import {
  BUNDLE_BLOB_PATH,
  type Hello,
  IDENTITY_PATH,
  PROTOCOL,
  type SessionRequest,
  UPGRADE_CAPABILITY,
  type Welcome,
} from '../proto/index.js'
import { capabilityNames } from './capability/index.js'
import { hasSqlRunner } from './capability/sql-runner.js'
import type { Config } from './config.js'
import { readFacts, readMachineId } from './facts.js'
import { isOver, Renewal } from './identity/renew.js'
import { type Credentials, type Identity, renewedPairIn } from './identity/store.js'
import type { Journal } from './journal/journal.js'
import type { Quota } from './journal/quota.js'
import { LoopLag } from './loop-lag.js'
import type { PolicyFile } from './policy.js'
import { uptimeMs } from './process/proc.js'
import { clientContext, createClient } from './session/channel.js'
import { fetchBlob } from './session/fetch-blob.js'
import { fetchScript } from './session/fetch-script.js'
import { stayConnected } from './session/reconnect.js'
import type { ServerClock } from './session/server-clock.js'
import { runSession, type SessionEnd, type SessionHost } from './session/session.js'
import type { Tasks } from './task/tasks.js'
import type { Upgrades } from './upgrade/upgrades.js'
import { AGENT_VERSION } from './version.js'

const log = createLogger('agent:connection')

// Being without a session this long is not a hiccup any more, and the health check says so.
const UNHEALTHY_MS = 5 * 60_000

export interface ConnectionInput {
  config: Config
  identity: Identity
  journal: Journal
  tasks: Tasks
  clock: ServerClock
  quota: Quota
  policy: PolicyFile
  isStopped: () => boolean
  upgrades: Upgrades
}

export class Connection {
  private readonly input: ConnectionInput
  private readonly renewal: Renewal
  private readonly controller = new AbortController()
  private readonly loopLag = new LoopLag()
  private running: Promise<void> = Promise.resolve()
  private epoch = 0n
  private gateway = ''
  private downSince: number | undefined = performance.now()
  private lastCode = ''
  private sessions = 0
  /** The unproven certificate did not work last time: show the proven one in turn. */
  private nextFailed = false

  constructor(input: ConnectionInput) {
    this.input = input
    const kept = renewedPairIn(join(input.config.state, 'identity'))
    this.renewal = new Renewal(input.identity, kept, () => input.clock.now())
  }

  start(): void {
    this.loopLag.start()
    const connect = (gateway: string) => this.connect(gateway)
    this.running = stayConnected(this.input.config.gateways, connect, this.controller.signal)
  }

  async stop(): Promise<void> {
    this.controller.abort(new Error('the agent stops'))
    await this.running
    this.loopLag.stop()
  }

  fetchScript(sha256: Buffer, bytes: number): Promise<Buffer> {
    return fetchScript({ ...this.here(), sha256, bytes })
  }

  fetchBundle(sha256: Buffer, bytes: number): Promise<Buffer> {
    return fetchBlob({ ...this.here(), path: `${BUNDLE_BLOB_PATH}${sha256.toString('hex')}`, bytes })
  }

  private here() {
    return {
      gateway: this.gateway,
      caPem: this.input.identity.caPem,
      certificate: this.credentials(),
    }
  }

  health(): { ok: boolean; detail: string; metrics: Record<string, number> } {
    const downMs = this.downSince === undefined ? 0 : performance.now() - this.downSince
    const up = this.downSince === undefined
    const seconds = Math.round(downMs / 1000)
    return {
      ok: up || downMs < UNHEALTHY_MS,
      detail: up
        ? `session with ${this.gateway} is up`
        : `no session for ${seconds} s, trying (${this.lastCode || 'starting'})`,
      metrics: {
        session_up: Number(up),
        sessions_total: this.sessions,
        tasks_running: this.input.tasks.runningCount,
        resident_bytes: process.memoryUsage.rss(),
        journal_sequence: Number(this.input.journal.sequence),
      },
    }
  }

  private async connect(gateway: string): Promise<SessionEnd> {
    const shown = this.credentials()
    const client = createClient(gateway, clientContext(this.input.identity.caPem, shown))
    this.gateway = gateway
    try {
      const end = await runSession(client, this.host(shown), this.controller.signal)
      this.lastCode = end.code
      if (!end.welcomed && shown.unproven) this.nextFailed = true
      else this.nextFailed = false
      return end
    } finally {
      this.downSince ??= performance.now()
      client.close()
    }
  }

  private credentials(): Credentials {
    const { current, next } = this.input.identity
    if (!next) return current
    return this.nextFailed && !isOver(current.certificatePem, this.input.clock.now()) ? current : next
  }

  private host(shown: Credentials): SessionHost {
    const { tasks, clock } = this.input
    return {
      tasks,
      clock,
      hello: () => this.hello(),
      heartbeat: () => this.heartbeat(),
      welcomed: (welcome) => this.onWelcome(welcome, shown),
      certificate: (pem) => this.renewed(pem),
      startRenewal: (send) => this.renewal.start(send),
      upgrades: this.input.upgrades,
    }
  }

  private async onWelcome(welcome: Welcome, shown: Credentials): Promise<void> {
    const { identity, journal } = this.input
    this.downSince = undefined
    this.sessions += 1
    this.epoch = welcome.epoch
    // A gateway is trusted least: keys that sign orders come only with the join, over the CA that the token pins.
    const unknown = welcome.signingKeys
      .filter((key) => !identity.signingKeys.has(key.keyId))
      .map((key) => key.keyId)
    if (unknown.length)
      log.warn({ keyIds: unknown }, 'the gateway named signing keys that came with no join; ignored')
    if (shown.unproven) await this.promote(shown)
    await journal.writeEpoch(welcome.epoch).catch(() => undefined)
  }

  /**
   * The stream goes on under the old certificate, whose end does not end it; the new one is shown once over a connection
   * of its own, and relied on only when the gateway has taken it.
   */
  private async renewed(certificatePem: string): Promise<void> {
    await this.renewal.receive(certificatePem)
    const { next } = this.input.identity
    if (!next) return
    try {
      await fetchBlob({ ...this.here(), certificate: next, path: IDENTITY_PATH, bytes: 0 })
      await this.promote(next)
      log.info('the renewed certificate is good')
    } catch (error) {
      log.warn({ err: error }, 'the renewed certificate could not be tried; the next session will show it')
    }
  }

  private async promote(proven: Credentials): Promise<void> {
    this.nextFailed = false
    await this.renewal.promote(proven)
  }

  private async hello(): Promise<Hello> {
    const { config, journal, tasks, policy } = this.input
    if (this.epoch === 0n) this.epoch = await journal.readEpoch()
    return {
      agentVersion: AGENT_VERSION,
      protocolMin: PROTOCOL.min,
      protocolMax: PROTOCOL.max,
      journalId: journal.id,
      journalSequence: journal.sequence,
      bootId: journal.bootId,
      machineId: readMachineId(),
      clockMs: BigInt(Date.now()),
      facts: readFacts(config, policy.read()),
      capabilities: [
        ...capabilityNames(hasSqlRunner(config.program)),
        ...(config.supervised === undefined ? [] : [UPGRADE_CAPABILITY]),
      ],
      tasks: tasks.open.unsettled(),
      lastEpoch: this.epoch,
      conditions: this.conditions(),
    }
  }

  private async heartbeat(): Promise<NonNullable<SessionRequest['message']>> {
    const value = {
      monotonicMs: BigInt(uptimeMs()),
      runningTasks: this.input.tasks.runningCount,
      residentBytes: BigInt(process.memoryUsage.rss()),
      loopLagMs: this.loopLag.take(),
      spoolFreeBytes: BigInt(Math.round(this.input.quota.freeBytes())),
      journalSequence: this.input.journal.sequence,
      clockMs: BigInt(Date.now()),
      conditions: this.conditions(),
    }
    return { $case: 'heartbeat', value }
  }

  private conditions(): string[] {
    const { isStopped, quota, policy } = this.input
    return [
      ...(isStopped() ? ['stopped_by_file'] : []),
      ...(quota.full ? ['spool_full'] : []),
      ...(policy.read().readable ? [] : ['policy_unreadable']),
    ]
  }
}
