/** Joining many hosts at once: real tokens, requests and certificates, over a few connections that all of them share. */
import { createHash } from 'node:crypto'
import { delay, fullJitter } from '../../base/backoff.js'
import { createLogger } from '../../base/logger.js'
import type { AgentGatewayServiceClient } from '../../proto/index.js'
import { generateKey } from '../identity/csr.js'
import { JoinRefused, requestJoin } from '../identity/join.js'
import { fetchChain, fetchPinnedCa } from '../identity/pin.js'
import { parseJoinToken } from '../identity/token.js'
import { clientContext, createClient } from '../session/channel.js'
import { factsOf } from './host.js'
import type { Identities } from './identities.js'

const log = createLogger('simulate:join')

// A gateway lets eight calls at a time through one connection.
const LANES_PER_CONNECTION = 8
const CONNECTIONS = 4
// Each lane has tokens of its own: hosts that join by one token wait for each other in the database.
const TOKEN_USES = 100

/** The API, as far as joining needs it. */
export interface TokenDesk {
  /** A join token for that many hosts. */
  createToken(labels: Record<string, string>, uses: number): Promise<string>
  /** Makes room for a name that a simulated host of an earlier life has; throws if it is not one of ours. */
  freeName(name: string): Promise<void>
}

export interface Joining {
  name: string
  labels: Record<string, string>
}

export interface JoinInput {
  hosts: Joining[]
  gateways: string[]
  desk: TokenDesk
  identities: Identities
  signal: AbortSignal
  onJoined(): void
}

/** sha256 (hex) of the CA that the first gateway which answers shows: a name for the folder, and no reason to trust. */
export async function findCa(gateways: string[], signal: AbortSignal): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const gateway = gateways[attempt % gateways.length] ?? ''
    try {
      const root = (await fetchChain(gateway)).at(-1)
      if (root) return createHash('sha256').update(root).digest('hex')
    } catch (error) {
      log.warn({ gateway, err: error }, 'no gateway answers; trying again')
    }
    await delay(fullJitter(attempt, Math.random(), 500, 5_000), signal)
  }
}

/** Joins all of them; rejects when one is refused for good, or the signal aborts. */
export async function joinAll(input: JoinInput): Promise<void> {
  const batches = toBatches(input.hosts)
  const stop = new AbortController()
  const onAbort = () => stop.abort(input.signal.reason)
  input.signal.addEventListener('abort', onAbort, { once: true })
  const pinned = new PinnedClients(input.gateways)
  const lane = async (number: number) => {
    for (let batch = batches.shift(); batch && !stop.signal.aborted; batch = batches.shift())
      await joinBatch({ ...input, signal: stop.signal }, batch, pinned, number)
  }
  const lanes = Array.from({ length: LANES_PER_CONNECTION * CONNECTIONS }, (_, number) => lane(number))
  try {
    await Promise.all(lanes)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(lanes)
    throw error
  } finally {
    input.signal.removeEventListener('abort', onAbort)
    pinned.close()
  }
}

/** Hosts with the same labels, as many as one token is for. */
function toBatches(hosts: Joining[]): Joining[][] {
  const lanes = LANES_PER_CONNECTION * CONNECTIONS
  const size = Math.max(1, Math.min(TOKEN_USES, Math.ceil(hosts.length / lanes)))
  const byLabels = new Map<string, Joining[]>()
  for (const host of hosts) {
    const key = JSON.stringify(host.labels)
    const group = byLabels.get(key) ?? []
    group.push(host)
    byLabels.set(key, group)
  }
  return [...byLabels.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / size) }, (_, n) => group.slice(n * size, (n + 1) * size)),
  )
}

async function joinBatch(
  input: JoinInput,
  batch: Joining[],
  pinned: PinnedClients,
  lane: number,
): Promise<void> {
  const { desk, identities } = input
  const token = parseJoinToken(await desk.createToken(batch[0]?.labels ?? {}, batch.length))
  for (const { name } of batch) {
    // One key for all tries: a gateway that died after issuing gives the same host its certificate again.
    const keyPem = generateKey()
    const request = { secret: token.secret, keyPem, name, facts: factsOf(name) }
    for (let attempt = 0; ; attempt++) {
      try {
        const { client, caPem } = await pinned.get(lane, attempt, token.caSha256)
        identities.add(name, keyPem, await requestJoin(client, request), caPem)
        input.onJoined()
        break
      } catch (error) {
        if (input.signal.aborted) throw error
        if (error instanceof JoinRefused && error.code === 'name_taken') await desk.freeName(name)
        else if (error instanceof JoinRefused) throw error
        else log.warn({ name, err: error }, 'joining failed; will try again')
      }
      await delay(fullJitter(attempt, Math.random(), 200, 5_000), input.signal)
    }
  }
}

/** Connections that trust the CA which the token pins. */
class PinnedClients {
  private readonly gateways: string[]
  private readonly pins = new Map<string, Promise<string>>()
  private readonly clients = new Map<string, AgentGatewayServiceClient>()

  constructor(gateways: string[]) {
    this.gateways = gateways
  }

  async get(lane: number, attempt: number, caSha256: Buffer) {
    const connection = lane % CONNECTIONS
    const gateway = this.gateways[(connection + attempt) % this.gateways.length] ?? ''
    const caPem = await this.pin(gateway, caSha256)
    const key = `${connection} ${gateway}`
    const client = this.clients.get(key) ?? createClient(gateway, clientContext(caPem))
    this.clients.set(key, client)
    return { client, caPem }
  }

  close(): void {
    for (const client of this.clients.values()) client.close()
  }

  private pin(gateway: string, caSha256: Buffer): Promise<string> {
    const known = this.pins.get(gateway)
    if (known) return known
    const asked = fetchPinnedCa(gateway, caSha256)
    this.pins.set(gateway, asked)
    asked.catch(() => this.pins.delete(gateway))
    return asked
  }
}
