import { once } from 'node:events'
import https from 'node:https'
import net from 'node:net'
import { TestCa } from '../agent/testing/certificates'
import { createLogger } from '../base/logger'
import { AgentGatewayServiceService } from '../proto/index'
import { type Listener, listen, type ListenOptions } from './listen'

const NAME = 'gateway.drover'

describe('the port of a gateway', () => {
  let ca: TestCa
  let listener: Listener | undefined
  const sockets: net.Socket[] = []

  beforeAll(async () => {
    ca = await TestCa.create()
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await listener?.close()
  })

  async function open(more: Partial<ListenOptions> = {}): Promise<number> {
    const { certPem, keyPem } = await ca.issueServer(NAME)
    listener = await listen({
      host: '127.0.0.1',
      port: 0,
      identity: { certificate: certPem, key: keyPem, notAfter: new Date(Date.now() + 86_400_000) },
      ca: ca.pem,
      service: { definition: AgentGatewayServiceService, implementation: {} as never },
      bytes: (_request, response) => response.end('bytes'),
      isFull: () => false,
      logger: createLogger('test'),
      ...more,
    })
    return listener.address.port
  }

  /** A connection that never says a word. */
  async function silent(port: number): Promise<net.Socket> {
    const socket = net.connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }

  async function ask(port: number): Promise<string> {
    const request = https.get({ host: '127.0.0.1', port, ca: ca.pem, servername: NAME, agent: false })
    const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
    let text = ''
    for await (const piece of response) text += String(piece)
    return text
  }

  it('answers at once whoever speaks, with a thousand silent connections before them', async () => {
    const port = await open()
    await Promise.all(Array.from({ length: 1_000 }, () => silent(port)))
    const from = performance.now()
    expect(await ask(port)).toBe('bytes')
    expect(performance.now() - from).toBeLessThan(4_000)
  }, 30_000)

  it('ends those that waited too long while it was full, and lets others in when it is not', async () => {
    let full = true
    const port = await open({ isFull: () => full, waitMs: 300 })
    const early = await silent(port)
    await once(early, 'close')
    const late = ask(port)
    setTimeout(() => {
      full = false
    }, 100)
    expect(await late).toBe('bytes')
  }, 30_000)
})
