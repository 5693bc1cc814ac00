/** A wire that the driver owns: half open, slow or reset at will, and each end learns only what a network would tell. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

// More than this in flight in one direction and the sender is not read any further, as a network's window does.
const WINDOW_BYTES = 256 * 1024

interface Item {
  dueAt: number
  bytes: number
  run: () => void
}

/** One direction of one connection: what came, in order, until it may pass. */
class Direction {
  private queue: Item[] = []
  private waiting = 0
  private isLost = false
  private timer: NodeJS.Timeout | undefined
  private readonly from: Socket
  private readonly to: Socket
  private readonly relay: Relay

  constructor(relay: Relay, from: Socket, to: Socket) {
    this.relay = relay
    this.from = from
    this.to = to
    from.on('data', (data: Buffer) => this.put(data.length, () => to.write(data)))
    from.on('end', () => this.put(0, () => to.end()))
    from.on('error', () => this.put(0, () => to.resetAndDestroy()))
    from.on('close', () => this.put(0, () => to.destroySoon()))
    to.on('drain', () => this.pump())
    if (relay.swallows) from.pause()
  }

  private put(bytes: number, run: () => void): void {
    const last = this.queue.at(-1)?.dueAt ?? 0
    this.queue.push({ dueAt: Math.max(last, Date.now() + this.relay.delayMs), bytes, run })
    this.waiting += bytes
    this.pump()
  }

  /** Passes on what is due. */
  pump(): void {
    clearTimeout(this.timer)
    const isStuck = this.relay.swallows || this.isLost
    while (!isStuck && this.queue.length && !this.isFull) {
      const [first] = this.queue
      const waitMs = (first?.dueAt ?? 0) - Date.now()
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pump(), waitMs)
        break
      }
      this.queue.shift()
      this.waiting -= first?.bytes ?? 0
      first?.run()
    }
    if (isStuck || this.waiting > WINDOW_BYTES || this.isFull) this.from.pause()
    else this.from.resume()
  }

  private get isFull(): boolean {
    return this.to.writableNeedDrain && !this.to.destroyed
  }

  /** Nothing passes any more, and nobody is told: a firewall that has dropped its state. */
  lose(): void {
    this.isLost = true
    this.pump()
  }

  reset(): void {
    clearTimeout(this.timer)
    this.queue = []
    this.from.resetAndDestroy()
  }
}

/**
 * What becomes of connections when the network is whole again: what was sent arrives late, as by TCP's own retransmission;
 * both ends get an RST; or they stay dead and nobody is told, and only new ones work.
 */
export type Healing = 'deliver' | 'reset' | 'lose'

export class Relay {
  /** The parts at its ends. */
  readonly from: string
  readonly to: string
  readonly port: number
  private readonly server: Server
  private readonly directions = new Set<Direction>()
  private readonly swallowers = new Set<symbol>()
  private readonly delays = new Map<symbol, number>()
  private held: Socket[] = []

  private constructor(server: Server, ends: { from: string; to: string; toPort: number }) {
    this.server = server
    this.port = (server.address() as AddressInfo).port
    this.from = ends.from
    this.to = ends.to
    server.on('connection', (near: Socket) => {
      near.setNoDelay(true)
      if (!this.swallows) return this.join(near, ends.toPort)
      near.on('error', () => undefined)
      this.held.push(near)
    })
    this.release = () => {
      for (const near of this.held.splice(0)) if (!near.destroyed) this.join(near, ends.toPort)
    }
  }

  private readonly release: () => void

  /** A listener that is not yet anybody's: relays must exist before the platform, which knows the ports. */
  static async listen(): Promise<(ends: { from: string; to: string; toPort: number }) => Relay> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    server.unref()
    return (ends) => new Relay(server, ends)
  }

  get swallows(): boolean {
    return this.swallowers.size > 0
  }

  get delayMs(): number {
    return Math.max(0, ...this.delays.values())
  }

  private join(near: Socket, toPort: number): void {
    const far = connect({ port: toPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const pair = [new Direction(this, near, far), new Direction(this, far, near)]
    for (const direction of pair) this.directions.add(direction)
    let open = 2
    for (const socket of [near, far]) {
      socket.on('close', () => {
        if (--open === 0) for (const direction of pair) this.directions.delete(direction)
      })
    }
    near.resume()
  }

  /**
   * Accepts and forwards nothing, on connections of now and new ones.
   * @returns heals it; several may swallow at once
   */
  swallow(): (healing: Healing) => void {
    const key = Symbol('swallow')
    this.swallowers.add(key)
    for (const direction of this.directions) direction.pump()
    return (healing) => {
      if (!this.swallowers.delete(key)) return
      if (healing === 'reset') this.reset()
      if (healing === 'lose') for (const direction of this.directions) direction.lose()
      if (this.swallows) return
      for (const direction of this.directions) direction.pump()
      this.release()
    }
  }

  /** Everything takes that much longer. @returns ends it */
  delay(ms: number): () => void {
    const key = Symbol('delay')
    this.delays.set(key, ms)
    return () => void this.delays.delete(key)
  }

  /** Both ends of every connection get an RST. */
  reset(): void {
    for (const direction of this.directions) direction.reset()
    for (const near of this.held.splice(0)) near.resetAndDestroy()
  }

  close(): void {
    this.reset()
    this.server.close()
  }
}
