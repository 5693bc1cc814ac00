/** An agent that a test plays by hand over the real wire: to send what no real agent would. */
import 'reflect-metadata'
import { randomUUID, sign, webcrypto } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import * as x509 from '@peculiar/x509'
import { keyOfSecret } from '../../base/secret-key'
import {
  AgentGatewayServiceClient,
  Heartbeat,
  type Hello,
  joinProof,
  type JoinRequest,
  type JoinResponse,
  type SessionRequest,
  type SessionResponse,
} from '../../proto/index'

x509.cryptoProvider.set(webcrypto)
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface KeyPair {
  csr: Buffer
  /** PEM */
  key: string
}

export async function makeKeyPair(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: P256,
    name: 'CN=anyone',
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    csr: Buffer.from(csr.rawData),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  }
}

/** A certificate of a CA that is none of ours, for the same subject names. */
export async function makeForeignCertificate(hostId: string): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=host ${hostId}`,
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: P256,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://drover/host/${hostId}` }]),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificate: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
  }
}

const channelOptions = { 'grpc.ssl_target_name_override': 'gateway.drover', 'grpc.enable_retries': 0 }

export function connect(
  address: string,
  ca: string,
  identity?: { certificate: string; key: string },
): AgentGatewayServiceClient {
  const credentials = identity
    ? grpc.credentials.createSsl(
        Buffer.from(ca),
        Buffer.from(identity.key),
        Buffer.from(identity.certificate),
      )
    : grpc.credentials.createSsl(Buffer.from(ca))
  return new AgentGatewayServiceClient(address, credentials, channelOptions)
}

export interface Refused {
  code: string
  message: string
}

/** Joins by the secret part of a token, as the agent does. @throws Refused */
export function join(
  client: AgentGatewayServiceClient,
  secret: string,
  name: string,
  csr: Buffer,
): Promise<JoinResponse> {
  const { privateKey, publicKey } = keyOfSecret(secret, 'drover join token')
  const proof = sign(null, joinProof(name, csr), privateKey)
  return callJoin(client, {
    token: '',
    tokenKey: publicKey,
    proof,
    name,
    csr,
    agentVersion: 'test',
    facts: {},
  })
}

/** Joins with a request of any kind. @throws Refused */
export function callJoin(client: AgentGatewayServiceClient, request: JoinRequest): Promise<JoinResponse> {
  return new Promise((resolve, reject) => {
    client.join(request, (error, answer) => {
      if (!error) return resolve(answer)
      reject({ code: String(error.metadata.get('drover-code')[0]), message: error.details } satisfies Refused)
    })
  })
}

export function makeHello(more: Partial<Hello> = {}): Hello {
  return {
    agentVersion: 'test',
    protocolMin: 1,
    protocolMax: 1,
    journalId: randomUUID(),
    journalSequence: 1n,
    bootId: 'boot',
    machineId: 'machine',
    clockMs: BigInt(Date.now()),
    facts: {},
    capabilities: ['script'],
    tasks: [],
    lastEpoch: 0n,
    conditions: [],
    ...more,
  }
}

type Message = NonNullable<SessionResponse['message']>
type Value<Case> = Extract<Message, { $case: Case }>['value']

/** A session in a test's hands: what came, and what to send. Its heart beats, unless it is stopped. */
export class RawSession {
  readonly received: Message[] = []
  ended: { code: string; message: string } | undefined
  private readonly stream: grpc.ClientDuplexStream<SessionRequest, SessionResponse>
  private readonly waiting = new Set<() => void>()
  private heart: NodeJS.Timeout | undefined

  constructor(client: AgentGatewayServiceClient, hello?: Hello) {
    this.stream = client.session()
    this.stream.on('data', ({ message }: SessionResponse) => {
      if (message) this.received.push(message)
      if (message?.$case === 'welcome' && hello) this.startHeart(hello, message.value.heartbeatMs)
      this.tell()
    })
    this.stream.on('error', (error: grpc.ServiceError) => {
      this.stopHeart()
      this.ended = {
        code: String(error.metadata?.get('drover-code')[0] ?? error.code),
        message: error.details,
      }
      this.tell()
    })
    this.stream.on('end', () => {
      this.stopHeart()
      this.ended ??= { code: 'ended', message: '' }
      this.tell()
    })
    if (hello) this.send({ $case: 'hello', value: hello })
  }

  send(message: NonNullable<SessionRequest['message']>): void {
    this.stream.write({ message })
  }

  /** The first message of a kind, now or when it comes. */
  async next<Case extends Message['$case']>(kind: Case, forMs = 10_000): Promise<Value<Case>> {
    for (const until = Date.now() + forMs; Date.now() < until; ) {
      const index = this.received.findIndex((message) => message.$case === kind)
      if (index >= 0) return (this.received.splice(index, 1)[0] as { value: unknown }).value as Value<Case>
      if (this.ended) throw new Error(`the session ended: ${JSON.stringify(this.ended)}`)
      await this.change()
    }
    throw new Error(`no ${kind} came within ${forMs} ms`)
  }

  /** How the session ended: the refusal's code if one was sent. */
  async end(forMs = 10_000): Promise<string> {
    for (const until = Date.now() + forMs; !this.ended; await this.change()) {
      if (Date.now() > until) throw new Error('the session did not end')
    }
    const refusal = this.received.find((message) => message.$case === 'refusal')
    return refusal?.$case === 'refusal' ? refusal.value.code : this.ended.code
  }

  close(): void {
    this.stopHeart()
    this.stream.end()
  }

  stopHeart(): void {
    clearInterval(this.heart)
  }

  private startHeart({ clockMs, conditions, journalSequence }: Hello, everyMs: number): void {
    const ahead = clockMs - BigInt(Date.now())
    this.heart = setInterval(() => {
      const value = Heartbeat.fromPartial({
        clockMs: BigInt(Date.now()) + ahead,
        conditions,
        journalSequence,
      })
      this.send({ $case: 'heartbeat', value })
    }, everyMs)
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 500)
      this.waiting.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  private tell(): void {
    for (const wake of this.waiting) wake()
    this.waiting.clear()
  }
}
