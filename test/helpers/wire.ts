/** The wire between an agent and its gateways, in a test's hands: held, cut at one end, led elsewhere. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Wire {
  /** `host:port` that new connections lead to; undefined refuses them. */
  upstream: string | undefined
  private readonly server: Server
  private readonly pairs = new Set<{ near: Socket; far: Socket }>()
  private holding = false

  private constructor(server: Server, upstream: string | undefined) {
    this.server = server
    this.upstream = upstream
  }

  static async start(upstream?: string): Promise<Wire> {
    const server = createServer((near) => wire.join(near))
    const wire = new Wire(server, upstream)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return wire
  }

  /** What the agent is told to be its gateway. */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  private join(near: Socket): void {
    const [host, port] = this.upstream?.split(':') ?? []
    if (!host || !port) return void near.destroy()
    const far = connect(Number(port), host)
    const pair = { near, far }
    this.pairs.add(pair)
    near.on('data', (bytes: Buffer) => far.write(bytes))
    far.on('data', (bytes: Buffer) => near.write(bytes))
    if (this.holding) far.pause()
    for (const end of [near, far]) end.on('error', () => end.destroy())
    far.on('close', () => near.destroy())
    near.on('close', () => {
      // A far end that is held is not told: what it has sent lies in its socket's buffer.
      if (!far.isPaused()) far.destroy()
    })
  }

  /** From now on nothing that gateways send arrives; it fills their sockets' buffers. */
  hold(): void {
    this.holding = true
    for (const { far } of this.pairs) far.pause()
  }

  /** What was held goes on its way, as far as somebody is left to get it. */
  release(): void {
    this.holding = false
    for (const { far, near } of this.pairs) {
      if (near.destroyed) far.destroy()
      else far.resume()
    }
  }

  /** Ends the agent's connections; gateways are told unless they are held. @param upstream where the next ones lead */
  cut(upstream: string | undefined): void {
    this.holding = false
    this.upstream = upstream
    for (const { near } of this.pairs) near.destroy()
  }

  async stop(): Promise<void> {
    for (const { near, far } of this.pairs) {
      near.destroy()
      far.destroy()
    }
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}
