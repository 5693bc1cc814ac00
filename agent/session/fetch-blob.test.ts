/** Fetching bytes from a gateway that answers as it likes: every fault ends the call, and none ends the agent. */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ServerResponse } from 'node:http'
import { generateKey, makeCsr } from '../identity/csr.js'
import { TestCa } from '../testing/certificates.js'
import { type ClientCertificate, GATEWAY_SERVER_NAME } from './channel.js'
import { fetchBlob } from './fetch-blob.js'

let ca: TestCa
let server: Server
let certificate: ClientCertificate
let answer: (response: ServerResponse) => void

beforeAll(async () => {
  ca = await TestCa.create()
  const { certPem, keyPem } = await ca.issueServer(GATEWAY_SERVER_NAME)
  const hostKey = generateKey()
  certificate = { keyPem: hostKey, certificatePem: await ca.issueHost(makeCsr(hostKey), '7', 60_000) }
  server = createServer({ cert: certPem, key: keyPem }, (_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

function fetch(bytes: number): Promise<Buffer> {
  const { port } = server.address() as AddressInfo
  return fetchBlob({ gateway: `127.0.0.1:${port}`, caPem: ca.pem, certificate, path: '/blobs/x', bytes })
}

/** Sends its head and a part of what it promises, and breaks off. */
const breakOff = (status: number) => (response: ServerResponse) => {
  response.writeHead(status, { 'content-length': 1000 }).write('half')
  setTimeout(() => response.destroy(), 20)
}

describe('fetching bytes', () => {
  it('gives what was named', async () => {
    answer = (response) => response.end('bytes')
    expect(String(await fetch(5))).toBe('bytes')
  })

  it('takes neither more nor less than was signed', async () => {
    answer = (response) => response.end('bytes')
    await expect(fetch(4)).rejects.toThrow('more bytes than were signed')
    await expect(fetch(6)).rejects.toThrow('cut short')
  })

  it.each([200, 404])('outlives a gateway that breaks off in the middle of a %d', async (status) => {
    answer = breakOff(status)
    await expect(fetch(1000)).rejects.toThrow(status === 404 ? 'answered 404' : /aborted|hang up|reset/)
    await new Promise((resolve) => setTimeout(resolve, 100))
  })
})
