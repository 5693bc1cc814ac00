/** HTTP with nothing tidied up on the way: paths, methods and headers go out as a test writes them. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'

export interface RawRequest {
  method?: string
  /** As it stands in the request line. */
  path: string
  token?: string | undefined
  headers?: Record<string, string>
  body?: string | Buffer
}

export interface RawAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 })

/** One request. A stream of events is answered by its head alone: it would not end by itself. */
export function rawRequest(base: string, wanted: RawRequest): Promise<RawAnswer> {
  const { hostname, port } = new URL(base)
  const { method = 'GET', path, token, headers = {}, body } = wanted
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        hostname,
        port,
        method,
        path,
        timeout: 20_000,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (incoming) => {
        const status = incoming.statusCode ?? 0
        const answer = (text: string) => resolve({ status, headers: incoming.headers, text })
        if (incoming.headers['content-type']?.startsWith('text/event-stream')) {
          incoming.on('error', () => undefined)
          outgoing.destroy()
          answer('')
          return
        }
        const pieces: Buffer[] = []
        incoming.on('data', (piece: Buffer) => pieces.push(piece))
        incoming.on('error', reject)
        incoming.on('end', () => answer(Buffer.concat(pieces).toString()))
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} was not answered`)))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Writes bytes on a connection of their own; resolves with all that came back when the server has closed it. */
export function rawBytes(base: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    const pieces: Buffer[] = []
    socket.setTimeout(20_000, () => socket.destroy(new Error('the server kept the connection open')))
    socket.on('data', (piece) => pieces.push(piece))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(pieces).toString()))
  })
}
