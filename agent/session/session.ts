/** One session: a stream to one gateway from hello to its end. */
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js'
import { createLogger } from '../../base/logger.js'
import {
  type AgentGatewayServiceClient,
  type CertificateRequest,
  type Hello,
  PROTOCOL,
  type SessionRequest,
  type SessionResponse,
  type TaskUpdate,
  type Welcome,
} from '../../proto/index.js'
import type { OpenTasks } from '../task/open-tasks.js'
import type { Tasks } from '../task/tasks.js'
import type { Upgrades } from '../upgrade/upgrades.js'
import { Outbox } from './outbox.js'
import type { ServerClock } from './server-clock.js'

const log = createLogger('agent:session')

// A gateway that takes the stream and says nothing is as bad as none.
const WELCOME_MS = 15_000

const TELL_JOURNAL_MS = 1_000

/** What a session asks of tasks: the real ones, or those of a simulated host. */
export type SessionTasks = Pick<Tasks, 'listener' | 'dispatch' | 'cancel' | 'ask'> & {
  open: Pick<OpenTasks, 'unsettled' | 'holdOutput' | 'settle' | 'acknowledge' | 'resumeOutput' | 'nextChunk'>
}

export interface SessionHost {
  tasks: SessionTasks
  clock: ServerClock
  hello(): Promise<Hello>
  heartbeat(): Promise<NonNullable<SessionRequest['message']>>
  welcomed(welcome: Welcome): Promise<void>
  /** A new certificate arrived. */
  certificate(certificatePem: string): Promise<void>
  /** Called with a way to ask for a certificate; returns how to stop asking. */
  startRenewal(send: (request: CertificateRequest) => void): () => void
  /** Left out where nothing can be upgraded. */
  upgrades?: Upgrades | undefined
}

export interface SessionEnd {
  welcomed: boolean
  /** How long to wait before the next try; undefined leaves it to the backoff. */
  retryAfterMs?: number
  code: string
  message: string
}

type Stream = ClientDuplexStream<SessionRequest, SessionResponse>

/** Runs until the stream ends, for whatever reason; never rejects. */
export async function runSession(
  client: AgentGatewayServiceClient,
  host: SessionHost,
  signal: AbortSignal,
): Promise<SessionEnd> {
  const hello = await host.hello()
  return new Promise((resolve) =>
    new Session({ stream: client.session(), host, signal, resolve }).open(hello),
  )
}

class Session {
  private readonly stream: Stream
  private readonly host: SessionHost
  private readonly outbox: Outbox
  private readonly resolve: (end: SessionEnd) => void
  private readonly signal: AbortSignal
  private readonly timers = new Set<NodeJS.Timeout>()
  /** What the hello told of each task: the sequence of its update. */
  private readonly told = new Map<string, bigint>()
  private welcomed = false
  private ended = false
  private tellingJournal = false
  private retryAfterMs: number | undefined
  private refusal: { code: string; message: string } | undefined
  private stopRenewal: (() => void) | undefined
  private readonly onAbort = () => this.finish('stopping', 'the agent stops')

  constructor(start: {
    stream: Stream
    host: SessionHost
    signal: AbortSignal
    resolve: (end: SessionEnd) => void
  }) {
    this.stream = start.stream
    this.host = start.host
    this.resolve = start.resolve
    this.signal = start.signal
    this.outbox = new Outbox({ write: (message, done) => this.stream.write(message, done) }, (maxBytes) =>
      this.host.tasks.open.nextChunk(maxBytes),
    )
  }

  open(hello: Hello): void {
    this.host.tasks.open.holdOutput()
    this.stream.on('data', (message: SessionResponse) => this.receive(message))
    this.stream.on('error', (error: ServiceError) =>
      this.finish(errorCode(error), error.details || error.message),
    )
    this.stream.on('end', () => this.finish('ended', 'the gateway ended the session'))
    this.signal.addEventListener('abort', this.onAbort, { once: true })
    for (const task of hello.tasks) this.told.set(task.dispatchId.toString('hex'), task.sequence)
    this.outbox.control({ $case: 'hello', value: hello })
    this.later(WELCOME_MS, () => {
      if (!this.welcomed) this.finish('no_welcome', 'the gateway did not answer the hello')
    })
  }

  private receive(message: SessionResponse): void {
    const part = message.message
    if (!part || this.ended) return
    if (!this.welcomed && part.$case !== 'welcome' && part.$case !== 'refusal' && part.$case !== 'drain')
      return
    this.handle(part).catch((error: unknown) =>
      log.error({ message: part.$case, err: error }, 'a message could not be handled'),
    )
  }

  private async handle(part: NonNullable<SessionResponse['message']>): Promise<void> {
    const { tasks } = this.host
    switch (part.$case) {
      case 'welcome':
        return this.onWelcome(part.value)
      case 'refusal':
        this.refusal = { code: part.value.code, message: part.value.message }
        if (part.value.retryAfterMs > 0) this.retryAfterMs = part.value.retryAfterMs
        return this.finish(part.value.code, part.value.message)
      case 'drain':
        this.retryAfterMs = part.value.reconnectAfterMs
        return this.finish('drain', 'the gateway is about to stop')
      case 'certificate':
        return this.host.certificate(part.value.certificate)
      case 'upgradeAgent':
        return this.host.upgrades?.order(part.value)
      case 'upgradeSettled':
        return this.host.upgrades?.settled(part.value.upgradeId)
      case 'dispatch':
        return tasks.dispatch(part.value)
      case 'cancelTask':
        return tasks.cancel(part.value)
      case 'taskWanted':
        return tasks.ask(part.value.dispatchId)
      case 'outputAck': {
        const { dispatchId, stream, offset } = part.value
        return this.outbox.acknowledged(await tasks.open.acknowledge(dispatchId, stream, offset))
      }
      case 'outputWindow':
        return this.outbox.setWindow(part.value.bytes)
      case 'taskSettled':
        return tasks.open.settle(part.value.dispatchId)
      case 'outputWanted': {
        const { dispatchId, stdoutOffset, stderrOffset } = part.value
        return this.outbox.acknowledged(await tasks.open.resumeOutput(dispatchId, stdoutOffset, stderrOffset))
      }
      default:
        // A newer gateway may say what this agent does not know.
        return undefined
    }
  }

  private async onWelcome(welcome: Welcome): Promise<void> {
    if (welcome.protocol < PROTOCOL.min || welcome.protocol > PROTOCOL.max) {
      return this.finish('protocol_unsupported', `the gateway chose protocol ${welcome.protocol}`)
    }
    this.host.clock.set(Number(welcome.serverTimeMs))
    this.welcomed = true
    this.host.tasks.listener = {
      update: (value: TaskUpdate) => {
        this.outbox.control({ $case: 'taskUpdate', value })
        this.tellJournalSoon()
      },
      output: () => this.outbox.poke(),
    }
    log.info({ gateway: welcome.gateway, epoch: String(welcome.epoch) }, 'session is up')
    this.tellNews()
    this.outbox.deflates = welcome.takesDeflatedOutput
    this.outbox.setWindow(welcome.outputWindowBytes)
    this.scheduleHeartbeat(Math.max(1_000, welcome.heartbeatMs))
    this.stopRenewal = this.host.startRenewal((value) =>
      this.outbox.control({ $case: 'certificateRequest', value }),
    )
    await this.host.welcomed(welcome)
    await this.tellUpgrade()
  }

  private async tellUpgrade(): Promise<void> {
    const { upgrades } = this.host
    if (!upgrades || this.ended) return
    upgrades.tell = (value) => this.outbox.control({ $case: 'upgradeReport', value })
    await upgrades.welcomed()
  }

  /** What happened between the hello and the welcome had nowhere to go. */
  private tellNews(): void {
    for (const update of this.host.tasks.open.unsettled()) {
      const isOld = this.told.get(update.dispatchId.toString('hex')) === update.sequence
      if (!isOld) this.outbox.control({ $case: 'taskUpdate', value: update })
    }
    this.told.clear()
  }

  /** The server knows an old copy of the journal by the number that it has heard: news are followed by theirs. */
  private tellJournalSoon(): void {
    if (this.tellingJournal) return
    this.tellingJournal = true
    this.later(TELL_JOURNAL_MS, () => {
      this.tellingJournal = false
      void this.beat()
    })
  }

  // ±10 %, so that the heartbeats of a fleet do not fall together.
  private scheduleHeartbeat(everyMs: number): void {
    this.later(everyMs * (0.9 + Math.random() * 0.2), () => {
      void this.beat().finally(() => this.scheduleHeartbeat(everyMs))
      this.host.upgrades?.repeat()
    })
  }

  private async beat(): Promise<void> {
    try {
      this.outbox.control(await this.host.heartbeat())
    } catch (error) {
      log.warn({ err: error }, 'a heartbeat could not be made')
    }
  }

  private later(ms: number, work: () => void): void {
    if (this.ended) return
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      work()
    }, ms)
    this.timers.add(timer)
  }

  private finish(code: string, message: string): void {
    if (this.ended) return
    this.ended = true
    this.outbox.close()
    this.host.tasks.listener = undefined
    if (this.host.upgrades) this.host.upgrades.tell = undefined
    this.stopRenewal?.()
    this.signal.removeEventListener('abort', this.onAbort)
    for (const timer of this.timers) clearTimeout(timer)
    // The library reports a cancelled call as an error once more; nobody waits for it.
    this.stream.on('error', () => undefined)
    this.stream.cancel()
    this.resolve({
      welcomed: this.welcomed,
      code: this.refusal?.code ?? code,
      message: this.refusal?.message ?? message,
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    })
  }
}

function errorCode(error: ServiceError): string {
  const named = error.metadata?.get('drover-code')[0]
  return named === undefined ? (status[error.code] ?? 'unknown').toLowerCase() : String(named)
}
