/** A gateway played by a test, with a certificate of the platform's own CA: it relays what was really signed, when it should not. */
import { readFileSync } from 'node:fs'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import {
  AgentGatewayServiceService,
  type Hello,
  type SessionRequest,
  type SessionResponse,
  type TaskUpdate,
} from '../../proto/index'
import type { Platform } from '../../stack/platform/platform'
import { masterKeyFile } from '../../stack/platform/roles'
import type { Pool } from '../../store/postgres/pool'
import { parseMasterKey } from '../../store/seal'
import { openPlatformKeys } from '../../workers/desk/keys'
import { pause } from './api'
import { makeKeyPair } from './raw-agent'

type Stream = ServerDuplexStream<SessionRequest, SessionResponse>

export class PlayedGateway {
  readonly hellos: Hello[] = []
  readonly updates: TaskUpdate[] = []
  private stream: Stream | undefined
  private readonly server = new Server()
  address = ''

  /** Makes its certificate with the platform's own keys, and listens. */
  static async start(scene: {
    platform: Pick<Platform, 'data'>
    pool: Pool
    ca: string
  }): Promise<PlayedGateway> {
    const master = parseMasterKey(readFileSync(masterKeyFile(scene.platform.data), 'utf8').trim())
    const { authority } = await openPlatformKeys(scene.pool, master)
    const { csr, key } = await makeKeyPair()
    const { certificate } = await authority.issue(csr, { gateway: 'played' })
    const gateway = new PlayedGateway()
    await gateway.listen(scene.ca, certificate, key)
    return gateway
  }

  private async listen(ca: string, certificate: string, key: string): Promise<void> {
    const chain = Buffer.from(`${certificate.trim()}\n${ca.trim()}\n`)
    const credentials = ServerCredentials.createSsl(
      Buffer.from(ca),
      [{ private_key: Buffer.from(key), cert_chain: chain }],
      true,
    )
    this.server.addService(AgentGatewayServiceService, {
      join: () => undefined,
      session: (stream: Stream) => {
        stream.on('data', (request: SessionRequest) => this.take(stream, request))
        const over = () => {
          if (this.stream === stream) this.stream = undefined
          stream.end()
        }
        for (const event of ['end', 'error', 'cancelled']) stream.on(event, over)
      },
    })
    const port = await new Promise<number>((resolve, reject) =>
      this.server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    )
    this.address = `127.0.0.1:${port}`
  }

  private take(stream: Stream, { message }: SessionRequest): void {
    if (message?.$case === 'taskUpdate') this.updates.push(message.value)
    if (message?.$case !== 'hello') return
    this.hellos.push(message.value)
    this.stream = stream
    this.send({
      $case: 'welcome',
      value: {
        epoch: 1n,
        protocol: 1,
        serverTimeMs: BigInt(Date.now()),
        heartbeatMs: 1_000,
        outputWindowBytes: 1 << 20,
        signingKeys: [],
        gateway: 'played',
        ca: '',
      } as never,
    })
  }

  /** Sends the agent that came last a message, whatever it is. */
  send(message: NonNullable<SessionResponse['message']>): void {
    this.stream?.write({ message })
  }

  /** Sends the agent that comes here an order as it stands in a shard, and waits for its answer. */
  async relay(order: RelayedOrder, forMs = 20_000): Promise<TaskUpdate> {
    const until = Date.now() + forMs
    const waitFor = async <T>(what: string, find: () => T | undefined): Promise<T> => {
      for (; ; await pause(50)) {
        const found = find()
        if (found !== undefined) return found
        if (Date.now() > until) throw new Error(`the played gateway saw no ${what}`)
      }
    }
    await waitFor('agent', () => this.stream)
    const before = this.updates.length
    const { order: bytes, signature, keyId, spec, content } = order
    const secrets = order.secrets ?? Buffer.alloc(0)
    this.send({ $case: 'dispatch', value: { order: bytes, signature, keyId, spec, content, secrets } })
    return waitFor('answer', () => this.updates.at(before))
  }

  stop(): void {
    this.server.forceShutdown()
  }
}

export interface RelayedOrder {
  order: Buffer
  signature: Buffer
  keyId: string
  spec: Buffer
  /** The script's text. */
  content: Buffer
  /** What is sealed for the host, if anything is. */
  secrets?: Buffer | null
}

/** The orders of a run's shards for one host, oldest first: what a gateway was given to relay. */
export async function signedOrders(pool: Pool, executionId: string, hostId: string): Promise<RelayedOrder[]> {
  const { rows } = await pool.query<RelayedOrder>(
    `select o.wire as order, o.signature, o.secrets, d.key_id as "keyId", d.spec, t.content
     from shard d, unnest(d.host_ids, d.orders, d.signatures, d.secrets) as o (host_id, wire, signature, secrets), script_text t
     where d.execution_id = $1 and o.host_id = $2 and t.scope_id = d.scope_id and position(t.sha256 in d.spec) > 0 order by d.id`,
    [executionId, hostId],
  )
  return rows
}
