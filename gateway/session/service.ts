/** The gRPC service: joins and sessions, each message of a session handed to the part that it concerns. */
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { isFinalHostState } from '../../domain/host-result.js'
import { PlatformError } from '../../domain/errors.js'
import {
  type AgentGatewayServiceServer,
  type CertificateRequest,
  type Hello,
  type JoinRequest,
  type JoinResponse,
  type OutputChunk,
  type SessionRequest,
  TaskState,
  type TaskUpdate,
} from '../../proto/index.js'
import { closeSession } from '../../store/postgres/sessions.js'
import type { Admission } from '../admission.js'
import type { AnswerTimes } from '../dispatch/answer-times.js'
import type { GatewayDependencies } from '../dependencies.js'
import { requestCertificate } from '../identity.js'
import type { LedgerWriter } from '../intake/ledger-writer.js'
import type { OutputWriter } from '../intake/output-writer.js'
import { isSound } from '../intake/sound-chunk.js'
import { taskOf, toHostUpdate } from '../intake/task-updates.js'
import type { UpgradeRelay } from '../relay/upgrades.js'
import { toStatus } from '../status.js'
import type { Trust } from '../trust.js'
import type { Beats } from './beats.js'
import { joinHost } from './join.js'
import { clampSequence, type Opening, open, skew } from './open-session.js'
import { identifyPeer, type PeerHost } from './peer.js'
import type { RecoveredWatch } from './recovered.js'
import type { SessionRegistry } from './registry.js'
import { Session, type SessionStream } from './session.js'

export interface SessionParts {
  deps: GatewayDependencies
  trust: Trust
  sessions: SessionRegistry
  ledger: LedgerWriter
  output: OutputWriter
  beats: Beats
  recovered: RecoveredWatch
  upgrades: UpgradeRelay
  answers: AnswerTimes
  /** Lets so many hellos at a time to the database, so that results and heartbeats still find a connection to it. */
  openings: Admission
  /** Whether new sessions are sent elsewhere. */
  isDraining: () => boolean
  /** Told of every end that the ledger has. */
  onSettled: (stepExecutionId: string, hostId: string, attempt: number) => void
}

/**
 * How many output bytes of one session may be under way unacknowledged, as they are before they are deflated. A write to the
 * store and what is gathered for the next take some 25 ms: with 1 MiB a script printed 41 MB/s, with 2 MiB 59 (docs/benchmarks.md).
 */
const OUTPUT_WINDOW_BYTES = 2 * 1024 * 1024

const HELLO_WITHIN_MS = 10_000

export function createAgentService(parts: SessionParts): AgentGatewayServiceServer {
  return {
    join: (call, callback) => void join(parts, call, callback),
    session: (stream) => new Conversation(parts, stream).begin(),
  }
}

async function join(
  parts: SessionParts,
  call: ServerUnaryCall<JoinRequest, JoinResponse>,
  callback: sendUnaryData<JoinResponse>,
): Promise<void> {
  try {
    if (parts.isDraining())
      throw new PlatformError('gateway_draining', 'this gateway is stopping; try another')
    callback(null, await joinHost(parts.deps, parts.trust, call.request))
  } catch (error) {
    if (!(error instanceof PlatformError)) parts.deps.logger.warn({ err: error }, 'a join failed')
    callback(toStatus(error))
  }
}

/** One stream from its first message to its end; messages are handled in the order in which they came. */
class Conversation {
  private session: Session | undefined
  private gone = false
  private isRenewing = false
  private readonly parts: SessionParts
  private readonly stream: SessionStream

  constructor(parts: SessionParts, stream: SessionStream) {
    this.parts = parts
    this.stream = stream
  }

  begin(): void {
    const silence = setTimeout(
      () => this.fail(new PlatformError('message_invalid', 'no hello came')),
      HELLO_WITHIN_MS,
    )
    let first = true
    this.stream.on('data', (request: SessionRequest) => {
      clearTimeout(silence)
      if (first) {
        first = false
        // Nothing else is read until the hello is answered: what follows belongs to a session.
        this.stream.pause()
        this.hello(request).then(
          () => void this.stream.resume(),
          (error: unknown) => this.fail(error),
        )
        return
      }
      this.take(request)
    })
    const over = () => {
      clearTimeout(silence)
      this.over()
    }
    this.stream.on('end', () => this.session?.end())
    this.stream.on('close', over)
    this.stream.on('cancelled', over)
    this.stream.on('error', over)
  }

  private async hello(request: SessionRequest): Promise<void> {
    const { deps, trust, sessions } = this.parts
    if (request.message?.$case !== 'hello')
      throw new PlatformError('message_invalid', 'the first message must be a hello')
    if (this.parts.isDraining())
      throw new PlatformError('gateway_draining', 'this gateway is stopping; connect to another')
    const hello = request.message.value
    const { peer, opening } = await this.open(hello)
    const { epoch } = opening
    const quarantined = opening.quarantined !== undefined
    const { journalId, capabilities } = hello
    const session = new Session(this.stream, { ...peer, epoch, journalId, quarantined, capabilities })
    this.session = session
    if (this.gone) return this.over()
    session.send({
      $case: 'welcome',
      value: {
        epoch: BigInt(opening.epoch),
        protocol: opening.protocol,
        serverTimeMs: BigInt(Date.now()),
        heartbeatMs: deps.heartbeatMs,
        outputWindowBytes: OUTPUT_WINDOW_BYTES,
        signingKeys: trust.signingKeys,
        gateway: deps.self.name,
        ca: trust.ca,
        takesDeflatedOutput: true,
      },
    })
    if (opening.quarantined)
      deps.logger.warn({ hostId: peer.hostId, reason: opening.quarantined }, 'a quarantined host connected')
    this.resumeTasks(session, hello)
    if (!sessions.add(session))
      return session.end({ code: 'session_superseded', message: 'a newer session of this host is open' })
    deps.logger.debug({ hostId: peer.hostId, epoch: opening.epoch }, 'a session began')
  }

  private async open(hello: Hello): Promise<{ peer: PeerHost; opening: Opening }> {
    // An agent that gave up waiting has gone elsewhere: its hello must not win over the session that it has there.
    const isGone = () => this.gone
    const leave = await this.parts.openings.enter(isGone)
    try {
      const peer = await this.identify()
      return { peer, opening: await open(this.parts.deps, peer, hello, isGone) }
    } finally {
      leave()
    }
  }

  /** grpc-js gives the certificate only if TLS found it valid under our CA. */
  private identify(): Promise<PeerHost> {
    const { sslPeerCertificate } = this.stream.getAuthContext()
    return identifyPeer(this.parts.deps.pool, sslPeerCertificate, sslPeerCertificate !== undefined)
  }

  /** Tasks that the agent was never told to be settled: their news is taken in, and their output goes on where it stopped. */
  private resumeTasks(session: Session, hello: Hello): void {
    for (const update of hello.tasks) {
      const task = taskOf(session, update)
      if (!task) {
        tellStray(this.parts.deps, session, update)
        continue
      }
      const acknowledged = {
        stdout: Number(update.stdout?.acknowledged ?? 0),
        stderr: Number(update.stderr?.acknowledged ?? 0),
      }
      this.takeUpdate(session, update)
      void this.parts.output.want(session, task, acknowledged)
    }
  }

  private take(request: SessionRequest): void {
    const { session } = this
    if (!session || session.ended) return
    session.heard()
    const { message } = request
    switch (message?.$case) {
      case 'heartbeat':
        this.parts.beats.add({
          hostId: session.hostId,
          journalId: session.journalId,
          journalSequence: clampSequence(message.value.journalSequence),
          clockSkewMs: skew(message.value.clockMs),
          conditions: message.value.conditions,
        })
        return
      case 'taskUpdate':
        return this.takeUpdate(session, message.value)
      case 'outputChunk':
        return this.takeChunk(session, message.value)
      case 'certificateRequest':
        void this.renew(session, message.value)
        return
      case 'upgradeReport':
        void this.parts.upgrades.take(session, message.value)
        return
      case 'hello':
        return this.fail(new PlatformError('message_invalid', 'a second hello in one session'))
      case undefined:
        // A message of a newer protocol: an older gateway must not end the session for it.
        return
    }
  }

  private takeUpdate(session: Session, update: TaskUpdate): void {
    const task = taskOf(session, update)
    if (!task) return tellStray(this.parts.deps, session, update)
    this.parts.answers.took(task)
    if (update.state === TaskState.TASK_STATE_UNSPECIFIED) return this.parts.recovered.absent(session, task)
    const news = toHostUpdate(session, task, update, this.parts.deps.self.name)
    if (!news) return
    if (!isFinalHostState(news.state)) return this.parts.ledger.add(news)
    // Its output may be lost with what the database forgot: the store says where it ends, not the agent.
    if (this.parts.recovered.hasAsked(session, task) && !task.asking)
      void this.parts.output.want(session, task, { stdout: 0, stderr: 0 })
    const { stdoutBytes, stderrBytes } = news
    this.parts.ledger.add(news, (settled) => {
      if (!settled) return
      session.send({ $case: 'taskSettled', value: { dispatchId: task.dispatchId } })
      this.parts.output.finish(session, task, { stdout: stdoutBytes ?? 0, stderr: stderrBytes ?? 0 })
      this.parts.onSettled(task.stepExecutionId, session.hostId, task.attempt)
    })
  }

  private takeChunk(session: Session, chunk: OutputChunk): void {
    if (!isSound(chunk))
      return this.fail(
        new PlatformError('message_invalid', 'a chunk of output has a length or a place that none can have'),
      )
    const task = session.tasks.get(Buffer.from(chunk.dispatchId).toString('hex'))
    if (task) this.parts.output.add(session, task, chunk)
  }

  /** One request of a session waits at a time: agents ask again, and workers would sign for each. */
  private async renew(session: Session, request: CertificateRequest): Promise<void> {
    const { deps, trust } = this.parts
    if (this.isRenewing) return
    this.isRenewing = true
    try {
      const { certificate } = await requestCertificate(
        deps,
        {
          kind: 'renewal',
          csr: Buffer.from(request.csr),
          currentCertificate: Buffer.from(request.certificate),
          proof: Buffer.from(request.proof),
        },
        { signal: new AbortController().signal, patienceMs: 30_000 },
      )
      session.send({ $case: 'certificate', value: { certificate, ca: trust.ca } })
    } catch (err) {
      // The agent asks again long before its certificate ends.
      deps.logger.warn({ err, hostId: session.hostId }, 'a certificate could not be renewed')
    } finally {
      this.isRenewing = false
    }
  }

  private fail(error: unknown): void {
    const { code, details, metadata } = toStatus(error)
    if (!(error instanceof PlatformError)) this.parts.deps.logger.warn({ err: error }, 'a session failed')
    const name = String(metadata?.get('drover-code')[0] ?? 'unavailable')
    if (!this.stream.destroyed)
      this.stream.write({
        message: { $case: 'refusal', value: { code: name, message: details, retryAfterMs: 0 } },
      })
    if (this.session) this.session.end()
    this.stream.emit('error', { code, details, metadata })
  }

  private over(): void {
    this.gone = true
    const { session } = this
    this.session = undefined
    if (!session) return
    session.ended = true
    this.parts.sessions.remove(session)
    const { deps } = this.parts
    closeSession(deps.pool, session).catch((err) =>
      deps.logger.warn({ err, hostId: session.hostId }, 'the end of a session could not be recorded'),
    )
  }
}

/** Said once a session: an agent that tells of tasks of others is broken or in foreign hands, and may do so without end. */
function tellStray({ logger }: GatewayDependencies, session: Session, update: TaskUpdate): void {
  // An agent that was told to cancel what it never saw knows nothing of it but its id.
  if (session.strayTold || update.stepExecutionId === 0n) return
  session.strayTold = true
  logger.warn(
    { hostId: session.hostId, code: 'message_invalid' },
    'a host told of a task that is not its own; ignored',
  )
}
