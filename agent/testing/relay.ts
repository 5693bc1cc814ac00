/** A wire that a test can cut without either end being told, as a firewall that drops its state does. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Relay {
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly swallowed = new Set<Socket>()

  private constructor(server: Server) {
    this.server = server
  }

  static async start(port: number): Promise<Relay> {
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        relay.sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => to.destroy())
        from.pipe(to)
      }
    })
    const relay = new Relay(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** From now on nothing passes on the connections of now; new ones work. */
  swallow(): void {
    for (const socket of this.sockets) {
      socket.unpipe()
      socket.removeAllListeners('close')
      socket.resume()
      this.swallowed.add(socket)
    }
    this.sockets.clear()
  }

  async stop(): Promise<void> {
    for (const socket of [...this.sockets, ...this.swallowed]) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}
