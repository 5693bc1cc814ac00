/** A gateway for the agent's tests: the generated service on real TLS, one port for h2 and http/1.1, and a record of all it hears. */
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { createServer as createHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { Metadata, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js'
import { keyOfSecret, publicKeyOf } from '../../base/secret-key.js'
import {
  AgentGatewayServiceService,
  type Dispatch,
  type DispatchOrder,
  type Hello,
  joinProof,
  type OutputChunk,
  type OutputStream,
  type SessionRequest,
  type SessionResponse,
  type StopOrder,
  sha256,
  signingKeyProof,
  TaskState,
  type TaskUpdate,
} from '../../proto/index.js'
import { TestCa } from './certificates.js'
import { makeCancel, makeDispatch, type ScriptInput } from './orders.js'
import { ReceivedOutput } from './received-output.js'
import { Waiter } from './waiter.js'

type Stream = ServerDuplexStream<SessionRequest, SessionResponse>
type JoinCall = { request: { tokenKey: Buffer; proof: Buffer; csr: Buffer; name: string } }
type JoinDone = (error: object | null, value?: object) => void

export interface TestGatewayOptions {
  /** What outputs are acknowledged at once. */
  ack?: boolean
  settle?: boolean
  /** Names a key for orders that the CA has not signed. */
  foreignKey?: boolean
  windowBytes?: number
  /** Whether it takes output that is deflated; yes unless told otherwise. */
  deflated?: boolean
  hostCertificateMs?: number
  serverName?: string
  /** Added to the time that the welcome tells. */
  clockOffsetMs?: number
  serverTimeMs?: () => number
}

const finals = new Set<TaskState>([
  TaskState.TASK_STATE_REJECTED,
  TaskState.TASK_STATE_EXITED,
  TaskState.TASK_STATE_TIMED_OUT,
  TaskState.TASK_STATE_CANCELLED,
  TaskState.TASK_STATE_INTERRUPTED,
])

export class TestGateway extends Waiter {
  readonly hostId = '42'
  readonly ca: TestCa
  readonly options: TestGatewayOptions
  readonly hellos: Hello[] = []
  readonly updates: TaskUpdate[] = []
  /** Conditions of the last heartbeat. */
  conditions: string[] = []
  beats = 0
  readonly chunks: OutputChunk[] = []
  readonly blobs = new Map<string, Buffer>()
  private readonly output = new ReceivedOutput()
  /** Of the host, PEM, oldest first: what secrets are sealed for. */
  readonly certificates: string[] = []
  readonly signingKeyId = 'test-1'
  readonly signingKey: KeyObject
  joins = 0
  private readonly signingPublic: Buffer
  private readonly grpc = new Server({ 'grpc.max_receive_message_length': 16 << 20 })
  private tls: TlsServer | undefined
  private readonly sockets = new Set<TLSSocket>()
  private stream: Stream | undefined
  private epoch = 0n

  private constructor(ca: TestCa, options: TestGatewayOptions) {
    super()
    this.ca = ca
    this.options = options
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    this.signingKey = privateKey
    this.signingPublic = publicKey.export({ type: 'spki', format: 'der' })
  }

  /** @param sibling a gateway of the same fleet, whose CA is shared */
  static async start(options: TestGatewayOptions = {}, sibling?: TestGateway): Promise<TestGateway> {
    const gateway = new TestGateway(sibling?.ca ?? (await TestCa.create()), options)
    await gateway.listen()
    return gateway
  }

  get port(): number {
    const address = this.tls?.address() as AddressInfo | undefined
    return address?.port ?? 0
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get token(): string {
    return `drj_${'s'.repeat(24)}.${this.ca.sha256.toString('base64url')}`
  }

  /** Where output did not come in the order of its bytes. */
  get gaps(): readonly string[] {
    return this.output.gaps
  }

  get connected(): boolean {
    return this.stream !== undefined
  }

  get journalId(): string {
    return this.hellos.at(-1)?.journalId ?? ''
  }

  private async listen(): Promise<void> {
    const leaf = await this.ca.issueServer(this.options.serverName ?? 'gateway.drover')
    this.grpc.addService(AgentGatewayServiceService, {
      join: (call: JoinCall, done: JoinDone) => this.join(call.request, done),
      session: (stream: Stream) => this.accept(stream),
    })
    const injector = this.grpc.createConnectionInjector(ServerCredentials.createInsecure())
    const http = createHttp((request, response) => {
      const blob = this.blobs.get((request.url ?? '').replace('/blobs/scripts/', ''))
      if (!blob) return response.writeHead(404).end()
      return response.writeHead(200).end(blob)
    })
    this.tls = createServer(
      {
        key: leaf.keyPem,
        cert: leaf.certPem + this.ca.pem,
        ca: this.ca.pem,
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: ['h2', 'http/1.1'],
      },
      (socket) => {
        this.sockets.add(socket)
        socket.on('close', () => this.sockets.delete(socket))
        socket.on('error', () => undefined)
        if (socket.alpnProtocol === 'http/1.1') {
          if (socket.authorized) http.emit('connection', socket)
          else socket.destroy()
        } else injector.injectConnection(socket)
      },
    )
    await new Promise<void>((resolve) => this.tls?.listen(0, '127.0.0.1', resolve))
  }

  private join({ csr, name, tokenKey, proof }: JoinCall['request'], done: JoinDone): void {
    this.joins += 1
    const { publicKey } = keyOfSecret(this.token.split('.')[0] ?? '', 'drover join token')
    if (!publicKey.equals(tokenKey) || !verify(null, joinProof(name, csr), publicKeyOf(publicKey), proof)) {
      const metadata = new Metadata()
      metadata.set('drover-code', 'join_token_invalid')
      return done({ code: status.UNAUTHENTICATED, details: 'the join token is not valid', metadata })
    }
    const key = { keyId: this.signingKeyId, publicKey: this.signingPublic }
    const caSignature = this.ca.sign(signingKeyProof(key.keyId, key.publicKey))
    this.ca.issueHost(csr, this.hostId, this.options.hostCertificateMs ?? 7 * 86_400_000).then(
      (certificate) => {
        this.certificates.push(certificate)
        done(null, {
          hostId: this.hostId,
          certificate,
          ca: this.ca.pem,
          signingKeys: [{ ...key, caSignature: this.options.foreignKey ? Buffer.alloc(70, 1) : caSignature }],
        })
      },
      (error: Error) => done({ code: status.INVALID_ARGUMENT, details: error.message }),
    )
  }

  private accept(stream: Stream): void {
    stream.on('data', (message: SessionRequest) => this.receive(stream, message))
    const end = () => {
      if (this.stream === stream) this.stream = undefined
      stream.end()
    }
    stream.on('end', end)
    stream.on('error', end)
    stream.on('cancelled', end)
  }

  private receive(stream: Stream, message: SessionRequest): void {
    const part = message.message
    if (part?.$case === 'hello') {
      this.hellos.push(part.value)
      this.stream = stream
      this.epoch += 1n
      this.send({
        $case: 'welcome',
        value: {
          epoch: this.epoch,
          protocol: 1,
          serverTimeMs: BigInt(this.now()),
          heartbeatMs: 1_000,
          outputWindowBytes: this.options.windowBytes ?? 1 << 20,
          signingKeys: [],
          gateway: 'test',
          ca: '',
          takesDeflatedOutput: this.options.deflated ?? true,
        },
      })
      this.emit('session')
      for (const update of part.value.tasks) {
        this.note(update)
        const id = update.dispatchId.toString('hex')
        this.send({
          $case: 'outputWanted',
          value: {
            dispatchId: update.dispatchId,
            stdoutOffset: BigInt(this.received(id, 1)),
            stderrOffset: BigInt(this.received(id, 2)),
          },
        })
      }
    } else if (part?.$case === 'taskUpdate') this.note(part.value)
    else if (part?.$case === 'outputChunk') this.noteChunk(part.value)
    else if (part?.$case === 'heartbeat') this.noteHeartbeat(part.value.conditions)
    else if (part?.$case === 'certificateRequest') {
      void this.ca.issueHost(part.value.csr, this.hostId, 7 * 86_400_000).then((certificate) => {
        this.certificates.push(certificate)
        this.send({ $case: 'certificate', value: { certificate, ca: '' } })
      })
    }
  }

  now(): number {
    return this.options.serverTimeMs?.() ?? Date.now() + (this.options.clockOffsetMs ?? 0)
  }

  private note(update: TaskUpdate): void {
    this.updates.push(update)
    if (finals.has(update.state) && this.options.settle !== false) {
      this.send({ $case: 'taskSettled', value: { dispatchId: update.dispatchId } })
    }
    this.emit('update', update)
  }

  private noteHeartbeat(conditions: string[]): void {
    this.conditions = conditions
    this.beats += 1
    this.emit('heartbeat')
  }

  private noteChunk(chunk: OutputChunk): void {
    this.chunks.push(chunk)
    const offset = BigInt(this.output.take(chunk))
    this.emit('chunk', chunk)
    if (this.options.ack === false) return
    this.send({
      $case: 'outputAck',
      value: { dispatchId: chunk.dispatchId, stream: chunk.stream, offset },
    })
  }

  send(message: NonNullable<SessionResponse['message']>): void {
    this.stream?.write({ message })
  }

  /** Cuts every connection. */
  drop(): void {
    for (const socket of this.sockets) socket.destroy()
    this.stream = undefined
  }

  async stop(): Promise<void> {
    this.drop()
    this.grpc.forceShutdown()
    await new Promise<void>((resolve) => (this.tls ? this.tls.close(() => resolve()) : resolve()))
  }

  dispatch(dispatch: Dispatch): void {
    this.send({ $case: 'dispatch', value: dispatch })
  }

  cancel(dispatch: Dispatch, change: Partial<StopOrder> = {}, keyId = this.signingKeyId): void {
    this.send({ $case: 'cancelTask', value: { ...makeCancel(this, dispatch, change), keyId } })
  }

  /** Runs a script to its end. */
  async run(
    task: ScriptInput,
    change: Partial<DispatchOrder> = {},
  ): Promise<{ id: string; update: TaskUpdate; stdout: Buffer; stderr: Buffer }> {
    const dispatch = makeDispatch(this, task, change)
    this.dispatch(dispatch)
    const update = await this.final(dispatch.id)
    await this.outputOf(dispatch.id, update)
    return { id: dispatch.id, update, stdout: this.text(dispatch.id, 1), stderr: this.text(dispatch.id, 2) }
  }

  /** What came of a stream so far. */
  text(id: string, stream: OutputStream): Buffer {
    return this.output.text(id, stream)
  }

  /** Loses what came of a task, as a store does that never had it. */
  forget(id: string): void {
    this.output.forget(id)
  }

  digest(id: string, stream: OutputStream): string {
    return sha256(this.text(id, stream)).toString('hex')
  }

  received(id: string, stream: OutputStream): number {
    return this.output.received(id, stream)
  }

  /** Waits until all the output that a final update tells has come. */
  async outputOf(id: string, update: TaskUpdate): Promise<void> {
    const complete = () =>
      this.received(id, 1) >= Number(update.stdout?.bytes ?? 0) &&
      this.received(id, 2) >= Number(update.stderr?.bytes ?? 0)
    await this.until('chunk', complete)
  }

  /** The first final update of a task. */
  final(id: string, timeoutMs?: number): Promise<TaskUpdate> {
    return this.update(id, (update) => finals.has(update.state), timeoutMs)
  }

  async update(
    id: string,
    matches: (update: TaskUpdate) => boolean,
    timeoutMs?: number,
  ): Promise<TaskUpdate> {
    const find = () =>
      this.updates.find((update) => update.dispatchId.toString('hex') === id && matches(update))
    await this.until('update', () => find() !== undefined, timeoutMs)
    return find() as TaskUpdate
  }

  async sessionUp(): Promise<void> {
    await this.until('session', () => this.connected)
  }
}
