/** Reading a request's body: whole, limited, and always to its end, so that a refusal reaches the client. */
import type { IncomingMessage } from 'node:http'
import { PlatformError } from '../domain/errors.js'

export const BODY_MAX_BYTES = 8 * 1024 * 1024

// What is read and thrown away so that the client, which reads only when it has written, gets the answer.
const DRAIN_MAX_BYTES = 256 * 1024 * 1024

/**
 * The body's bytes.
 * @throws PlatformError body_too_large
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length
    if (size <= BODY_MAX_BYTES) pieces.push(piece)
    else pieces.length = 0
    if (size > DRAIN_MAX_BYTES) break
  }
  if (size <= BODY_MAX_BYTES) return Buffer.concat(pieces)
  throw new PlatformError(
    'body_too_large',
    `the request has more than ${BODY_MAX_BYTES} bytes; a script has at most 1 MiB, put the bulk into a file`,
    { details: { limitBytes: BODY_MAX_BYTES } },
  )
}

/**
 * The body as JSON; undefined if it is empty.
 * @throws PlatformError request_invalid, text_invalid
 */
export function parseBody(bytes: Buffer, contentType: string | undefined): unknown {
  if (!bytes.length) return undefined
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? '')) {
    throw new PlatformError('request_invalid', 'the body must be JSON, with content-type: application/json')
  }
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new PlatformError('text_invalid', 'the body is not UTF-8', { cause: error })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PlatformError(
      'request_invalid',
      // Without the piece of the body that the message quotes: it may be of a secret.
      `the body is not JSON: ${(error as Error).message.split(/, |"/)[0]?.slice(0, 200)}`,
    )
  }
}
