/** One live session: a host's stream, its epoch, and what is known of its tasks. */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { PlatformError } from '../../domain/errors.js'
import type { HostId, ScopeId } from '../../domain/id.js'
import type { OutputStream, SessionRequest, SessionResponse } from '../../proto/index.js'
import { toStatus } from '../status.js'

export type SessionStream = ServerDuplexStream<SessionRequest, SessionResponse>
type Message = NonNullable<SessionResponse['message']>

/** A task whose updates or output this session may tell, checked to be its host's own. */
export interface SessionTask {
  dispatch: string
  dispatchId: Buffer
  scopeId: ScopeId
  executionId: string
  stepExecutionId: string
  attempt: number
  outputDay: string
  /** The next byte expected of each stream; undefined until the store has said how far it got. */
  expected: { [S in OutputStream]?: number }
  /** How many pieces of each stream this session stored. */
  pieces: { [S in OutputStream]?: number }
  /** Where each stream ends, once the final update has said so. */
  ends?: { [S in OutputStream]?: number }
  /** When its order left and no answer came yet, by `performance.now()`. */
  sentAt?: number | undefined
  /** Whether the store is being asked for that. */
  asking?: boolean
}

export interface SessionHost {
  scopeId: ScopeId
  hostId: HostId
  epoch: string
  journalId: string
  quarantined: boolean
  /** What its agent can be asked for. */
  capabilities: readonly string[]
}

export class Session {
  /** Tasks by dispatch id, hex. */
  readonly tasks = new Map<string, SessionTask>()
  /** Texts (sha256, hex) that orders of this session name: the only ones that its host may fetch. */
  readonly scripts = new Set<string>()
  readonly capabilities: ReadonlySet<string>
  /** The upgrade that its agent was sent, and the bundle (sha256, hex) that it may fetch for it. */
  upgrade: { id: string; bundle: string } | undefined
  ended = false
  /** Whether it was logged that its agent told of a task of another host. */
  strayTold = false
  readonly scopeId: ScopeId
  readonly hostId: HostId
  readonly epoch: string
  /** The journal that its agent writes; orders made for another one are not sent to it. */
  readonly journalId: string
  /** A quarantined host is heard, and given nothing to do. */
  readonly quarantined: boolean
  private readonly stream: SessionStream
  /** Looks since its agent was heard. */
  silence = 0
  private isPaused = false

  constructor(stream: SessionStream, host: SessionHost) {
    this.stream = stream
    this.scopeId = host.scopeId
    this.hostId = host.hostId
    this.epoch = host.epoch
    this.journalId = host.journalId
    this.quarantined = host.quarantined
    this.capabilities = new Set(host.capabilities)
  }

  /** Sends a message; false if the session has ended. What is lost with the connection is sent again by whoever needs it. */
  send(message: Message): boolean {
    if (this.ended || this.stream.destroyed) return false
    this.stream.write({ message })
    return true
  }

  /** Ends the session, saying why if there is a why. */
  end(refusal?: { code: string; message: string; retryAfterMs?: number }): void {
    if (this.ended) return
    if (refusal) this.send({ $case: 'refusal', value: { retryAfterMs: 0, ...refusal } })
    this.ended = true
    this.stream.end()
  }

  /** Something came of its agent. */
  heard(): void {
    this.silence = 0
  }

  /** @returns how often this was asked since its agent was heard; whom we do not read cannot be, while the session lasts */
  countSilence(): number {
    if (!this.isPaused || this.ended) this.silence += 1
    return this.silence
  }

  /** Gives up an agent that is silent, also one whose session was ended: its connection may never tell that it has. */
  lose(): void {
    const error = new PlatformError('session_silent', 'nothing was heard of the agent')
    this.send({ $case: 'refusal', value: { code: error.code, message: error.message, retryAfterMs: 0 } })
    this.ended = true
    this.stream.emit('error', toStatus(error))
  }

  pause(): void {
    this.isPaused = true
    this.stream.pause()
  }

  resume(): void {
    this.isPaused = false
    this.stream.resume()
  }
}
