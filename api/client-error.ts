/** Requests that never reach the application: heads that are too large, too slow, or no HTTP. Answered like all others. */
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { PlatformError } from '../domain/errors.js'
import { toProblem } from './error-handler.js'

/** Puts a problem document where Node would write a bare status line. */
export function answerClientErrors(server: Server): void {
  // Raw bytes must not be written into the middle of an answer that is on its way.
  const answering = new WeakMap<Duplex, number>()
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    answering.set(socket, (answering.get(socket) ?? 0) + 1)
    response.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const isReading = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (!socket.writable || (answering.get(socket) && !isReading)) socket.destroy()
    else socket.end(answerTo(error), () => socket.destroy())
  })
}

/** For an address that no router can read, which Express would answer with a page of its own. */
export function refuseAddress(response: ServerResponse): void {
  const error = new PlatformError('not_found', 'the address of the request cannot be read')
  const problem = toProblem(error, randomUUID())
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json; charset=utf-8',
    'x-request-id': problem.requestId,
  })
  response.end(JSON.stringify(problem))
}

function answerTo(error: NodeJS.ErrnoException): string {
  const problem = toProblem(toPlatformError(error), randomUUID())
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'connection: close',
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${problem.requestId}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

function toPlatformError(error: NodeJS.ErrnoException): PlatformError {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new PlatformError(
      'headers_too_large',
      'the address and the headers together have more than 16 KiB; name fewer things in the query',
    )
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new PlatformError('request_too_slow', 'the request did not arrive whole in time; send it again')
  return new PlatformError('request_invalid', 'this is not HTTP as RFC 9112 has it')
}
