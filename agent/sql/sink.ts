/** A stream of output that is written without blocking, and says when its reader cannot keep up. */
import { write } from 'node:fs'

const CHUNK_BYTES = 64 * 1024
/** What may wait in memory for the reader. */
const FULL_BYTES = 1024 * 1024
const AGAIN_MS = 10

export class Sink {
  /** Called when there is room again. */
  onDrain: () => void = () => {}
  /** Why nothing can be written any more. */
  broken: Error | undefined
  private readonly fd: number
  private readonly onBroken: () => void
  private text = ''
  private queue: Buffer[] = []
  private queued = 0
  private busy = false
  private scheduled = false
  private waiters: (() => void)[] = []

  constructor(fd: number, onBroken: () => void) {
    this.fd = fd
    this.onBroken = onBroken
  }

  /** Whether more should wait. */
  get isFull(): boolean {
    return this.queued >= FULL_BYTES
  }

  write(piece: string | Buffer): void {
    if (this.broken) return
    if (typeof piece === 'string') {
      this.text += piece
      if (this.text.length >= CHUNK_BYTES) this.seal()
    } else {
      this.seal()
      this.enqueue(piece)
    }
    if (this.scheduled || this.busy) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.pump()
    })
  }

  /** Resolves when all is written, or nothing can be. */
  flushed(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve)
      this.pump()
    })
  }

  private seal(): void {
    if (this.text) this.enqueue(Buffer.from(this.text))
    this.text = ''
  }

  private enqueue(bytes: Buffer): void {
    this.queue.push(bytes)
    this.queued += bytes.length
  }

  private pump(): void {
    if (this.busy) return
    this.seal()
    const next = this.broken ? undefined : this.queue[0]
    if (!next) {
      for (const resolve of this.waiters.splice(0)) resolve()
      return
    }
    this.busy = true
    write(this.fd, next, 0, next.length, null, (error, written) => {
      this.busy = false
      // Somebody who shares the pipe may have made it non-blocking.
      if (error?.code === 'EAGAIN') return void setTimeout(() => this.pump(), AGAIN_MS)
      if (error) return this.fail(error)
      this.taken(next, written)
    })
  }

  private taken(bytes: Buffer, written: number): void {
    const wasFull = this.isFull
    this.queued -= written
    if (written === bytes.length) this.queue.shift()
    else this.queue[0] = bytes.subarray(written)
    if (wasFull && !this.isFull) this.onDrain()
    this.pump()
  }

  private fail(error: Error): void {
    this.broken = error
    this.queue = []
    this.queued = 0
    this.onBroken()
    this.onDrain()
    this.pump()
  }
}
