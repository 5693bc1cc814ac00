/** Fetching what an order names by its hash: HTTP/1.1 at the gateway's one port, under the same names and keys. */
import { Agent, get } from 'node:https'
import { checkServerIdentity } from 'node:tls'
import { parseAddress } from '../config.js'
import { type ClientCertificate, GATEWAY_SERVER_NAME } from './channel.js'

export interface BlobRequest {
  gateway: string
  caPem: string
  certificate: ClientCertificate
  /** Path at the gateway. */
  path: string
  /** Size that the signed order names; anything longer is cut off and refused. */
  bytes: number
}

const TIMEOUT_MS = 30_000

/** The bytes; the caller compares their hash. Rejects on any other answer than 200 and 204, and on a wrong size. */
export function fetchBlob(request: BlobRequest): Promise<Buffer> {
  const address = parseAddress(request.gateway)
  if (!address) return Promise.reject(new Error('no gateway'))
  return new Promise((resolve, reject) => {
    const call = get({
      host: address.host,
      port: address.port,
      path: request.path,
      ca: request.caPem,
      key: request.certificate.keyPem,
      cert: request.certificate.certificatePem,
      servername: GATEWAY_SERVER_NAME,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(GATEWAY_SERVER_NAME, certificate),
      agent: new Agent({ ALPNProtocols: ['http/1.1'], keepAlive: false }),
      timeout: TIMEOUT_MS,
    })
    call.once('timeout', () => call.destroy(new Error(`the gateway did not answer in ${TIMEOUT_MS} ms`)))
    // A gateway may break off at any moment, and an error that nobody listens to would end the agent.
    call.on('error', reject)
    call.once('response', (response) => {
      response.on('error', reject)
      if (response.statusCode !== 200 && response.statusCode !== 204) {
        response.resume()
        return reject(new Error(`the gateway answered ${response.statusCode}`))
      }
      const pieces: Buffer[] = []
      let size = 0
      response.on('data', (piece: Buffer) => {
        size += piece.length
        if (size <= request.bytes) return void pieces.push(piece)
        reject(new Error('the gateway sent more bytes than were signed'))
        call.destroy()
      })
      response.once('end', () =>
        size === request.bytes
          ? resolve(Buffer.concat(pieces))
          : reject(new Error('the bytes came cut short')),
      )
    })
  })
}
