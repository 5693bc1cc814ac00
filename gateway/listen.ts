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
  /** Whether those who were let in wait for the database: more would only give up waiting. */
  isFull: () => boolean
  logger: Logger
}

// A peer that is gone is noticed within 10 + 5 s; an agent's ping must not count as an attack.
const grpcOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 1024 * 1024,
  'grpc.max_concurrent_streams': 8,
  'grpc.enable_channelz': 0,
}

// A client that connects and then says nothing holds nothing for long.
const HANDSHAKE_MS = 10_000

// A handshake is a millisecond of this process's time. When a whole fleet comes back at once most wait as plain sockets,
// which cost nothing, and the sessions that are up are served in between.
const HANDSHAKES_PER_TURN = 16

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
  const front = admitTo(server, options.isFull)
  server.on('secureConnection', (socket) => {
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

/** Takes connections in and hands them to the TLS server by the handful. */
function admitTo(server: tls.Server, isFull: () => boolean) {
  const turnstile = new Turnstile(HANDSHAKES_PER_TURN, isFull)
  const waiting = new Set<net.Socket>()
  const front = net.createServer({ pauseOnConnect: true }, (socket) => {
    waiting.add(socket)
    socket.once('close', () => waiting.delete(socket))
    socket.on('error', () => socket.destroy())
    turnstile.admit({
      isGone: () => socket.destroyed,
      enter: () => {
        waiting.delete(socket)
        server.emit('connection', socket)
      },
    })
  })
  return {
    server: front,
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
