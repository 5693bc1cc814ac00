/** The one port: TLS ends here, and ALPN says who gets the socket: gRPC (`h2`) or bytes (`http/1.1`). */
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Logger } from '../base/logger.js'
import type { TlsIdentity } from './identity.js'
import { Turnstile } from './turnstile.js'

export interface Listener {
  address: { host: string; port: number }
  /** Uses a new certificate for connections from now on. */
  renew(identity: TlsIdentity): void
  /** Ends the listener; open sessions must have been ended before. */
  close(): Promise<void>
}

export interface ListenOptions {
  host: string
  port: number
  identity: TlsIdentity
  ca: string
  service: { definition: ServiceDefinition; implementation: UntypedServiceImplementation }
  bytes: http.RequestListener
  /** How long a connection may wait for its handshake, ms; as long as agents wait for an answer unless told. */
  waitMs?: number
  /** Whether those who were let in wait for the database: more would only give up waiting. */
  isFull: () => boolean
  logger: Logger
}

// Agents that are gone are noticed by their heartbeats (session/silence.ts). Their connections stay until these pings end them,
// 70 s at most, and so do those that are not read or have no session yet. An agent's ping must not count as an attack.
const grpcOptions = {
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 1024 * 1024,
  'grpc.max_concurrent_streams': 8,
  'grpc.enable_channelz': 0,
}

// A client that connects and then says nothing holds little, and not for long.
const HANDSHAKE_MS = 5_000
const MOST_HANDSHAKES = 4_000

// A handshake is a millisecond of this process's time. When a whole fleet comes back at once most wait as plain sockets,
// which cost a descriptor, and the sessions that are up are served in between.
const HANDSHAKES_PER_TURN = 16

// As long as agents wait for an answer: a socket that is not read does not tell that its peer has gone.
const WAIT_MS = 15_000
const MOST_WAITING = 20_000

export async function listen(options: ListenOptions): Promise<Listener> {
  const grpc = new Server(grpcOptions)
  grpc.addService(options.service.definition, options.service.implementation)
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const bytes = http.createServer({ requestTimeout: 60_000, headersTimeout: 10_000 }, options.bytes)
  const server = tls.createServer({
    ...contextOf(options.identity, options.ca),
    requestCert: true,
    // Joining hosts have no certificate yet: every call decides by what `authorized` says of the socket.
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
    minVersion: 'TLSv1.3',
    handshakeTimeout: HANDSHAKE_MS,
  })
  const sockets = new Set<tls.TLSSocket>()
  const front = admitTo(server, options)
  server.on('secureConnection', (socket) => {
    front.shaken(socket)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', (err) => options.logger.debug({ err }, 'a connection broke'))
    socket.setNoDelay(true)
    if (socket.alpnProtocol === 'h2') injector.injectConnection(socket)
    else bytes.emit('connection', socket)
  })
  server.on('tlsClientError', (err) => options.logger.debug({ err }, 'a TLS handshake failed'))
  await new Promise<void>((resolve, reject) => {
    front.server.once('error', reject)
    front.server.listen(options.port, options.host, () => resolve())
  })
  const bound = front.server.address()
  const port = typeof bound === 'object' && bound ? bound.port : options.port
  return {
    address: { host: options.host, port },
    renew: (identity) => server.setSecureContext(contextOf(identity, options.ca)),
    close: async () => {
      front.close()
      bytes.close()
      grpc.forceShutdown()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Takes connections in and hands them to the TLS server by the handful; those that wait too long are ended. */
function admitTo(server: tls.Server, { isFull, waitMs = WAIT_MS }: ListenOptions) {
  const shaking = new Set<string>()
  const peerOf = (socket: net.Socket) => `${socket.remoteAddress}:${socket.remotePort}`
  const turnstile = new Turnstile(HANDSHAKES_PER_TURN, () => shaking.size >= MOST_HANDSHAKES || isFull())
  const waiting = new Set<net.Socket>()
  const front = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    if (waiting.size >= MOST_WAITING) return void socket.destroy()
    const patience = setTimeout(() => socket.destroy(), waitMs)
    waiting.add(socket)
    socket.once('close', () => {
      clearTimeout(patience)
      waiting.delete(socket)
    })
    turnstile.admit({
      isGone: () => socket.destroyed,
      enter: () => {
        clearTimeout(patience)
        waiting.delete(socket)
        const peer = peerOf(socket)
        shaking.add(peer)
        const over = () => shaking.delete(peer)
        // By then TLS has given it up, too; a peer that reset the connection has no address any more.
        setTimeout(over, HANDSHAKE_MS).unref()
        socket.once('close', over)
        server.emit('connection', socket)
      },
    })
  })
  return {
    server: front,
    /** The handshake of this connection is done. */
    shaken: (socket: net.Socket) => void shaking.delete(peerOf(socket)),
    close: () => {
      front.close()
      turnstile.close()
      for (const socket of waiting) socket.destroy()
    },
  }
}

function contextOf(identity: TlsIdentity, ca: string) {
  return { cert: identity.certificate, key: identity.key, ca }
}
