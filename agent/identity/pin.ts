/** Finding the CA that a join token pins: the gateway shows its chain once, and only the pinned certificate is believed. */
import { createHash } from 'node:crypto'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { parseAddress } from '../config.js'
import { GATEWAY_SERVER_NAME } from '../session/channel.js'

/**
 * @returns the pinned CA certificate, PEM
 * Rejects when the gateway cannot be reached or shows no certificate with that sha256.
 */
export async function fetchPinnedCa(gateway: string, caSha256: Buffer, timeoutMs = 10_000): Promise<string> {
  const pinned = (await fetchChain(gateway, timeoutMs)).find((raw) => sha256(raw).equals(caSha256))
  if (pinned) return toPem(pinned)
  throw new Error(`${gateway} does not belong to the CA that the join token names`)
}

/** The certificates (DER) that a gateway shows, its own first; nobody has vouched for any of them. */
export function fetchChain(gateway: string, timeoutMs = 10_000): Promise<Buffer[]> {
  const address = parseAddress(gateway)
  if (!address) return Promise.reject(new Error(`${gateway} is not host:port`))
  return new Promise((resolve, reject) => {
    // Nothing is sent over this connection: it only shows certificates.
    const socket = connect({
      host: address.host,
      port: address.port,
      servername: GATEWAY_SERVER_NAME,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    })
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`${gateway} did not answer in ${timeoutMs} ms`)),
    )
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true))
      socket.destroy()
      resolve(chain)
    })
  })
}

function chainOf(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = []
  const seen = new Set<DetailedPeerCertificate>()
  for (
    let at: DetailedPeerCertificate | undefined = leaf;
    at?.raw && !seen.has(at);
    at = at.issuerCertificate
  ) {
    seen.add(at)
    chain.push(at.raw)
  }
  return chain
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
