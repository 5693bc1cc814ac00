/** Deflates pieces of output, a few at a time, in streams that are kept. */
import { constants, createDeflateRaw, type DeflateRaw } from 'node:zlib'

// As many as libuv's pool has threads, less one for everybody else.
const STREAMS = 3

/** Largest piece that comes out in one part. */
const PART_BYTES = 64 * 1024

/**
 * zlib's one-shot calls make a stream for each piece: 264 KiB that are cleared, and that the garbage collector is told of
 * and runs for. A stream that is taken again costs half the processor time (docs/benchmarks.md).
 */
export class Deflater {
  private readonly idle: Stream[] = []
  private readonly waiting: ((stream: Stream) => void)[] = []
  private made = 0

  /** @returns `data` as raw deflate, fastest level */
  async deflate(data: Buffer): Promise<Buffer> {
    const stream = await this.take()
    try {
      const deflated = await stream.deflate(data)
      this.give(stream)
      return deflated
    } catch (error) {
      // What state it is in nobody knows: the next caller gets a new one.
      this.give(new Stream())
      throw error
    }
  }

  private async take(): Promise<Stream> {
    const stream = this.idle.pop()
    if (stream) return stream
    if (this.made < STREAMS) {
      this.made++
      return new Stream()
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  private give(stream: Stream): void {
    const next = this.waiting.shift()
    if (next) next(stream)
    else this.idle.push(stream)
  }
}

class Stream {
  // Each write is finished as a whole: one way to zlib's thread and back, and not two.
  private readonly zlib: DeflateRaw = createDeflateRaw({
    level: constants.Z_BEST_SPEED,
    flush: constants.Z_FINISH,
    chunkSize: PART_BYTES,
  })
  private parts: Buffer[] = []

  constructor() {
    this.zlib.on('data', (part: Buffer) => this.parts.push(part))
  }

  /** One piece at a time. */
  deflate(data: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.zlib.once('error', reject)
      this.zlib.write(data, (error) => {
        if (error) return
        this.zlib.off('error', reject)
        const deflated = Buffer.concat(this.parts)
        this.parts = []
        this.zlib.reset()
        resolve(deflated)
      })
    })
  }
}
