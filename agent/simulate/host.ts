/** One simulated host: its sessions, what it says of itself, and its tasks. */
import { createHash } from 'node:crypto'
import { arch, platform, release } from 'node:os'
import type { SecureContext } from 'node:tls'
import { type Hello, PROTOCOL, type SessionRequest } from '../../proto/index.js'
import { capabilityNames } from '../capability/index.js'
import { Renewal } from '../identity/renew.js'
import type { Credentials, Identity, RenewedPair } from '../identity/store.js'
import { clientContext, createClient } from '../session/channel.js'
import { fetchScript } from '../session/fetch-script.js'
import { stayConnected } from '../session/reconnect.js'
import { ServerClock } from '../session/server-clock.js'
import { runSession, type SessionEnd, type SessionHost } from '../session/session.js'
import { AGENT_VERSION } from '../version.js'
import { drawSession } from './draw.js'
import type { Dialing } from './dialing.js'
import type { Group } from './groups.js'
import type { HostIdentity, Trust } from './identities.js'
import type { Records } from './records.js'
import { SimulatedTasks } from './tasks.js'

/** What all hosts of one program share. */
export interface World {
  gateways: string[]
  trust: Trust
  records: Records
  seed: number
  generation: number
  dialing: Dialing
  save(identity: HostIdentity): void
}

export class SimulatedHost {
  readonly tasks: SimulatedTasks
  isUp = false
  private readonly known: HostIdentity
  private readonly group: Group
  private readonly world: World
  private readonly identity: Identity
  private readonly renewal: Renewal
  private readonly clock = new ServerClock()
  private readonly controller = new AbortController()
  private cut = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private sequence: bigint
  private epoch = 0n
  private gateway = ''
  private sessions = 0
  private nextFailed = false
  private context: { certificatePem: string; of: SecureContext } | undefined

  constructor(known: HostIdentity, group: Group, world: World) {
    this.known = known
    this.group = group
    this.world = world
    const { hostId, keyPem, certificatePem } = known
    const current = { keyPem, certificatePem, unproven: false }
    this.identity = { hostId, current, next: undefined, former: [], ...world.trust }
    this.renewal = new Renewal(this.identity, this.renewedPair(), () => this.clock.now())
    this.sequence = BigInt(world.generation) << 32n
    this.tasks = new SimulatedTasks({
      name: known.name,
      hostId,
      journalId: known.journalId,
      group,
      seed: world.seed,
      records: world.records,
      signingKeys: world.trust.signingKeys,
      serverNowMs: () => this.clock.now(),
      advance: () => {
        this.sequence += 1n
      },
      fetchScript: (digest, bytes) => this.fetchScript(digest, bytes),
    })
  }

  start(): void {
    const connect = (gateway: string) => this.connect(gateway)
    this.running = stayConnected(this.world.gateways, connect, this.controller.signal)
  }

  async stop(): Promise<void> {
    this.controller.abort(new Error('the simulator stops'))
    this.cut.abort()
    this.tasks.stop()
    await this.running
  }

  private async connect(gateway: string): Promise<SessionEnd> {
    const leave = await this.world.dialing.enter()
    if (this.controller.signal.aborted) {
      leave()
      return { welcomed: false, code: 'stopping', message: 'the simulator stops' }
    }
    const shown = this.credentials()
    const client = createClient(gateway, this.contextOf(shown))
    this.gateway = gateway
    this.cut = new AbortController()
    const loss = this.planLoss()
    try {
      const end = await runSession(client, this.sessionHost(shown, leave), this.cut.signal)
      this.nextFailed = !end.welcomed && shown.unproven
      return end
    } finally {
      leave()
      clearTimeout(loss)
      this.isUp = false
      client.close()
    }
  }

  private planLoss(): NodeJS.Timeout | undefined {
    const { disconnectMs } = this.group
    if (disconnectMs <= 0) return undefined
    const lastsMs = drawSession(this.world.seed, this.known.name, this.sessions++, disconnectMs)
    const { cut } = this
    return setTimeout(() => cut.abort(), lastsMs)
  }

  private credentials(): Credentials {
    const { current, next } = this.identity
    return next && !this.nextFailed ? next : current
  }

  private fetchScript(sha256: Buffer, bytes: number): Promise<Buffer> {
    const { gateway } = this
    const { caPem } = this.identity
    return fetchScript({ gateway, caPem, certificate: this.credentials(), sha256, bytes })
  }

  /** Kept from one session to the next: what costs a real host a millisecond costs thousands of them seconds. */
  private contextOf({ keyPem, certificatePem }: Credentials): SecureContext {
    if (this.context?.certificatePem !== certificatePem)
      this.context = { certificatePem, of: clientContext(this.identity.caPem, { keyPem, certificatePem }) }
    return this.context.of
  }

  private sessionHost(shown: Credentials, dialled: () => void): SessionHost {
    return {
      tasks: this.tasks,
      clock: this.clock,
      hello: async () => this.hello(),
      heartbeat: async () => this.heartbeat(),
      welcomed: async ({ epoch }) => {
        dialled()
        this.isUp = true
        this.epoch = epoch
        if (shown.unproven) await this.renewal.promote(shown)
      },
      certificate: (pem) => this.renewal.receive(pem),
      startRenewal: (send) => this.renewal.start(send),
    }
  }

  /** Only a proven pair is kept: a simulator that is killed before comes back with the one before. */
  private renewedPair(): RenewedPair {
    return {
      write: async () => undefined,
      promote: async () => {
        const { keyPem, certificatePem } = this.identity.current
        this.world.save({ ...this.known, keyPem, certificatePem })
      },
    }
  }

  private hello(): Hello {
    return {
      agentVersion: AGENT_VERSION,
      protocolMin: PROTOCOL.min,
      protocolMax: PROTOCOL.max,
      journalId: this.known.journalId,
      journalSequence: this.sequence,
      bootId: this.known.journalId,
      machineId: createHash('sha256').update(this.known.journalId).digest('hex').slice(0, 32),
      clockMs: BigInt(Date.now()),
      facts: factsOf(this.known.name),
      capabilities: capabilityNames(true),
      tasks: this.tasks.open.unsettled(),
      lastEpoch: this.epoch,
      conditions: [],
    }
  }

  private heartbeat(): NonNullable<SessionRequest['message']> {
    const value = {
      monotonicMs: BigInt(Math.round(performance.now())),
      runningTasks: this.tasks.runningCount,
      residentBytes: 0n,
      loopLagMs: 0,
      spoolFreeBytes: 0n,
      journalSequence: this.sequence,
      clockMs: BigInt(Date.now()),
      conditions: [],
    }
    return { $case: 'heartbeat', value }
  }
}

/** What a simulated host says of itself, when it joins and at each hello. */
export function factsOf(name: string): Record<string, string> {
  return { os: platform(), arch: arch(), kernel: release(), hostname: name, simulated: 'true' }
}
