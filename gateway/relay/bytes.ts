/** Bytes for agents: the text of a script, to a host that has an order naming it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { PlatformError } from '../../domain/errors.js'
import { SCRIPT_BLOB_PATH } from '../../proto/index.js'
import { findScript } from '../../store/postgres/scripts.js'
import type { GatewayDependencies } from '../dependencies.js'
import { identifyPeer } from '../session/peer.js'
import type { SessionRegistry } from '../session/registry.js'

/** Serves `GET /blobs/scripts/<sha256 hex>`; everything else is 404. */
export function createBytesListener(deps: GatewayDependencies, sessions: SessionRegistry) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    serve(deps, sessions, request)
      .then((content) =>
        response
          .writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': content.length })
          .end(content),
      )
      .catch((err: unknown) => {
        const refused = err instanceof PlatformError
        if (!refused) deps.logger.warn({ err }, 'a script could not be served')
        response.writeHead(refused ? 404 : 503, { 'content-type': 'application/problem+json' }).end(
          JSON.stringify({
            code: refused ? err.code : 'unavailable',
            detail: refused ? err.message : 'try again',
          }),
        )
      })
  }
}

async function serve(
  deps: GatewayDependencies,
  sessions: SessionRegistry,
  request: IncomingMessage,
): Promise<Buffer> {
  const match = new RegExp(`^${SCRIPT_BLOB_PATH}([0-9a-f]{64})$`).exec(request.url ?? '')
  if (request.method !== 'GET' || !match?.[1]) throw new PlatformError('not_found', 'there is nothing here')
  const socket = request.socket as TLSSocket
  const peer = await identifyPeer(deps.pool, socket.getPeerCertificate(), socket.authorized)
  // An agent may read what it was ordered to run, and nothing else.
  const session = sessions.get(peer.hostId)
  if (!session?.scripts.has(match[1]))
    throw new PlatformError('not_found', 'no order of this host names that script')
  const content = await findScript(deps.pool, peer.scopeId, Buffer.from(match[1], 'hex'))
  if (!content) throw new PlatformError('not_found', 'there is no such script')
  return content
}
