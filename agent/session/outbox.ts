/**
 * What goes up the stream and when: control messages at once, output only while the window has room and the transport
 * has taken what it was given. Output waits in its files, never here, so a slow gateway costs no memory. It is deflated on its
 * way out: hosts are many and gateways few, and less is sent and stored.
 */
import { deflate } from '../../base/deflate.js'
import { CHUNK_BYTES, type OutputChunk, type SessionRequest } from '../../proto/index.js'

/** The half of the stream that the outbox writes to; `done` is called when the transport took the message. */
export interface Wire {
  write(message: SessionRequest, done: () => void): boolean
}

export type ChunkSource = (maxBytes: number) => Promise<OutputChunk | undefined>

// Chunks handed to the transport and not taken yet: 4 of 64 KiB are what a control message may have to wait behind.
const MAX_UNWRITTEN = 4

export class Outbox {
  /** Whether the gateway takes chunks that are deflated. */
  deflates = false
  private readonly wire: Wire
  private readonly source: ChunkSource
  private windowBytes = 0
  private unacknowledged = 0
  private unwritten = 0
  private pumping = false
  private again = false
  private closed = false

  constructor(wire: Wire, source: ChunkSource) {
    this.wire = wire
    this.source = source
  }

  /** Sends a message that must not wait for output. */
  control(message: NonNullable<SessionRequest['message']>): void {
    if (!this.closed) this.wire.write({ message }, () => undefined)
  }

  setWindow(bytes: number): void {
    this.windowBytes = bytes
    this.poke()
  }

  /** The server stored that many bytes more. */
  acknowledged(bytes: number): void {
    this.unacknowledged = Math.max(0, this.unacknowledged - bytes)
    this.poke()
  }

  /** There may be output to send, or room for it. */
  poke(): void {
    this.again = true
    if (!this.pumping) void this.pump()
  }

  close(): void {
    this.closed = true
  }

  private async pump(): Promise<void> {
    this.pumping = true
    try {
      while (this.again) {
        this.again = false
        while (this.hasRoom() && (await this.sendChunk())) {}
      }
    } finally {
      this.pumping = false
    }
  }

  /**
   * Room for a whole chunk, or for half of a small window: filled to its last byte, a window is opened by as little with every
   * acknowledgement, and output goes in ever smaller chunks (the sender's side of the silly window, RFC 1122 4.2.3.4).
   */
  private hasRoom(): boolean {
    const room = this.windowBytes - this.unacknowledged
    const enough = Math.max(1, Math.min(CHUNK_BYTES, this.windowBytes / 2))
    return !this.closed && this.unwritten < MAX_UNWRITTEN && room >= enough
  }

  private async sendChunk(): Promise<boolean> {
    const room = Math.min(CHUNK_BYTES, this.windowBytes - this.unacknowledged)
    const value = await this.source(room).catch(() => undefined)
    if (!value || this.closed) return false
    const chunk = this.deflates ? { ...value, ...deflate(value.data) } : value
    this.unacknowledged += value.data.length
    this.unwritten += 1
    this.wire.write({ message: { $case: 'outputChunk', value: chunk } }, () => {
      this.unwritten -= 1
      this.poke()
    })
    return true
  }
}
