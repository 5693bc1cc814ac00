/** The cancel request of PostgreSQL: on a connection of its own, by the number and key of the session it is about. */
import { once } from 'node:events'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TlsOptions } from './tls-options.js'

const CANCEL_CODE = 80_877_102
const TLS_CODE = 80_877_103
const LIMIT_MS = 5_000

export interface CancelTarget {
  host: string
  port: number
  tls: TlsOptions | undefined
  processId: number
  secretKey: number
}

/** Resolves when the server has taken the request in: it answers by closing the connection. */
export async function requestCancel(target: CancelTarget): Promise<void> {
  const { host, port, tls } = target
  const socket = host.startsWith('/') ? connectPlain(`${host}/.s.PGSQL.${port}`) : connectPlain(port, host)
  const signal = AbortSignal.timeout(LIMIT_MS)
  try {
    await once(socket, 'connect', { signal })
    const wire = tls ? await secure(socket, target, tls, signal) : socket
    wire.on('error', () => {})
    wire.end(message(CANCEL_CODE, [target.processId, target.secretKey]))
    wire.resume()
    await once(wire, 'close', { signal })
  } finally {
    socket.destroy()
  }
}

// A session over TLS is cancelled over TLS: the key is for nobody else to see.
async function secure(
  socket: Socket,
  { host }: CancelTarget,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<Socket> {
  socket.write(message(TLS_CODE, []))
  const [answer] = (await once(socket, 'data', { signal })) as [Buffer]
  if (answer.toString('latin1') !== 'S') throw new Error('the server takes no TLS for a cancel request')
  const secured = connectTls({ socket, host, ...(isIP(host) ? {} : { servername: host }), ...tls })
  await once(secured, 'secureConnect', { signal })
  return secured
}

function message(code: number, words: number[]): Buffer {
  const bytes = Buffer.alloc(8 + 4 * words.length)
  for (const [at, word] of [bytes.length, code, ...words].entries()) bytes.writeInt32BE(word | 0, at * 4)
  return bytes
}
