/** Bytes for agents, over HTTP/1.1: what an order of theirs names, and whether their certificate is good. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { PlatformError } from '../../domain/errors.js'
import { BUNDLE_BLOB_PATH, IDENTITY_PATH, SCRIPT_BLOB_PATH } from '../../proto/index.js'
import { findBundleContent } from '../../store/postgres/agent-bundles.js'
import { findScript } from '../../store/postgres/scripts.js'
import type { GatewayDependencies } from '../dependencies.js'
import { identifyPeer, type PeerHost } from '../session/peer.js'
import type { SessionRegistry } from '../session/registry.js'

/** Serves `GET /blobs/scripts/<sha256 hex>`, `GET /blobs/agents/<sha256 hex>` and `GET /identity`; everything else is 404. */
export function createBytesListener(deps: GatewayDependencies, sessions: SessionRegistry) {
  const relay = new BytesRelay(deps, sessions)
  return (request: IncomingMessage, response: ServerResponse): void => {
    relay
      .answer(request)
      .then((content) => {
        if (!content) return response.writeHead(204).end()
        const headers = { 'content-type': 'application/octet-stream', 'content-length': content.length }
        return response.writeHead(200, headers).end(content)
      })
      .catch((err: unknown) => {
        const refused = err instanceof PlatformError
        if (!refused) deps.logger.warn({ err }, 'bytes could not be served')
        response.writeHead(refused ? 404 : 503, { 'content-type': 'application/problem+json' }).end(
          JSON.stringify({
            code: refused ? err.code : 'unavailable',
            detail: refused ? err.message : 'try again',
          }),
        )
      })
  }
}

class BytesRelay {
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry
  /** The bundle that was asked for last: a rollout asks for one again and again. */
  private bundle: { key: string; content: Promise<Buffer | undefined> } | undefined

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
  }

  /** @returns the bytes; undefined for an answer without any */
  async answer(request: IncomingMessage): Promise<Buffer | undefined> {
    const url = request.url ?? ''
    const script = hashAfter(SCRIPT_BLOB_PATH, url)
    const bundle = hashAfter(BUNDLE_BLOB_PATH, url)
    if (request.method !== 'GET' || !(script ?? bundle ?? url === IDENTITY_PATH))
      throw new PlatformError('not_found', 'there is nothing here')
    const socket = request.socket as TLSSocket
    const peer = await identifyPeer(this.deps.pool, socket.getPeerCertificate(), socket.authorized)
    if (script !== undefined) return this.script(peer, script)
    return bundle === undefined ? undefined : this.agentBundle(peer, bundle)
  }

  private async script(peer: PeerHost, sha256: string): Promise<Buffer> {
    // An agent may read what it was ordered to run, and nothing else.
    const session = this.sessions.get(peer.hostId)
    if (!session?.scripts.has(sha256))
      throw new PlatformError('not_found', 'no order of this host names that script')
    const content = await findScript(this.deps.pool, {
      scopeId: peer.scopeId,
      executionIds: [...new Set([...session.tasks.values()].map((task) => task.executionId))],
      sha256: Buffer.from(sha256, 'hex'),
    })
    if (!content) throw new PlatformError('not_found', 'there is no such script')
    return content
  }

  private async agentBundle(peer: PeerHost, sha256: string): Promise<Buffer> {
    if (this.sessions.get(peer.hostId)?.upgrade?.bundle !== sha256)
      throw new PlatformError('not_found', 'no order of this host names that bundle')
    const content = await this.loadBundle(peer, sha256)
    if (!content) throw new PlatformError('not_found', 'there is no such bundle')
    return content
  }

  private loadBundle(peer: PeerHost, sha256: string): Promise<Buffer | undefined> {
    const key = `${peer.scopeId}/${sha256}`
    if (this.bundle?.key === key) return this.bundle.content
    const content = findBundleContent(this.deps.pool, peer.scopeId, Buffer.from(sha256, 'hex'))
    const forget = () => {
      if (this.bundle?.content === content) this.bundle = undefined
    }
    content.then((found) => found ?? forget(), forget)
    this.bundle = { key, content }
    return content
  }
}

function hashAfter(prefix: string, url: string): string | undefined {
  const hash = url.startsWith(prefix) ? url.slice(prefix.length) : ''
  return /^[0-9a-f]{64}$/.test(hash) ? hash : undefined
}
