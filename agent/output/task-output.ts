/** Both output streams of a task under one cap: what is kept, cut, sent and acknowledged. */
import { join } from 'node:path'
import { RULES_VERSION } from '../../base/normalise-rules.js'
import { CHUNK_BYTES, type OutputChunk, OutputStream } from '../../proto/index.js'
import type { Acked, Capped, Result, StreamResult } from '../journal/records.js'
import { KeptStream, type Reading } from './kept-stream.js'
import type { Mask } from './mask.js'

// What a flood may lay on the disk beyond the cap between two looks, before it is cut away. The copier holds each file to
// the cap by itself; only both together are cut here, and to the byte.
const SLACK_BYTES = 1 << 20

// A task that is found again may have written a gigabyte meanwhile: everything else of the agent has its turn between two pieces.
const TURN_BYTES = 4 << 20

/** @returns how many bytes were taken, `allowance` at most */
async function takeIn(stream: KeptStream, allowance: number): Promise<number> {
  let taken = 0
  for (;;) {
    const piece = stream.advance(Math.min(TURN_BYTES, allowance - taken))
    taken += piece
    if (piece < TURN_BYTES || taken >= allowance) return taken
    await new Promise(setImmediate)
  }
}

export interface OutputEnd {
  stdout: StreamResult
  stderr: StreamResult
}

export class TaskOutput {
  /** Whether the server said where to go on; until then nothing is sent. */
  sendable = false
  readonly stdout: KeptStream
  readonly stderr: KeptStream
  private readonly capBytes: number
  private capped: Capped | undefined
  private ended: boolean

  private constructor(streams: { stdout: KeptStream; stderr: KeptStream }, capBytes: number, ended: boolean) {
    this.stdout = streams.stdout
    this.stderr = streams.stderr
    this.capBytes = capBytes
    this.ended = ended
  }

  /** What must not be seen of it; of both streams the same. */
  get mask(): Mask | undefined {
    return this.stdout.mask
  }

  /** Output that still grows. `capped` is what an earlier life of the agent decided. */
  static open(folder: string, capBytes: number, capped: Capped | undefined, reading: Reading): TaskOutput {
    const streams = {
      stdout: new KeptStream(join(folder, 'stdout'), reading),
      stderr: new KeptStream(join(folder, 'stderr'), reading),
    }
    const output = new TaskOutput(streams, capBytes, false)
    output.capped = capped
    return output
  }

  /** Output whose end is recorded. */
  static ended(folder: string, result: Result, mask?: Mask): TaskOutput {
    const streams = {
      stdout: KeptStream.ended(join(folder, 'stdout'), result.stdout, mask),
      stderr: KeptStream.ended(join(folder, 'stderr'), result.stderr, mask),
    }
    return new TaskOutput(streams, 0, true)
  }

  /**
   * Takes in new output.
   * @param saveCap called before anything is cut, with where
   * @returns how many bytes were new
   */
  async advance(saveCap: (capped: Capped) => Promise<void>): Promise<number> {
    if (this.ended) return 0
    let taken = 0
    for (const [stream, other, name] of this.pairs()) {
      const limit = this.capped ? this.capped[name] : this.capBytes - other.read
      taken += await takeIn(stream, Math.max(0, limit - stream.read))
    }
    if (!this.capped && this.stdout.read + this.stderr.read >= this.capBytes && this.excess() > 0) {
      this.capped = { stdout: this.stdout.read, stderr: this.stderr.read }
      await saveCap(this.capped)
    }
    if (this.capped) this.cutExcess(SLACK_BYTES)
    return taken
  }

  /** The last look: takes in all that was written, and closes the account. */
  async end(saveCap: (capped: Capped) => Promise<void>): Promise<OutputEnd> {
    // Once is enough, and a daemon that goes on writing would make a second look endless.
    await this.advance(saveCap)
    if (this.capped) this.cutExcess(0)
    for (const [stream] of this.pairs()) await stream.noteLoss()
    for (const [stream] of this.pairs()) stream.end()
    this.ended = true
    const describe = (stream: KeptStream): StreamResult => ({
      bytes: stream.kept,
      sha256: stream.digest(),
      truncated: stream.truncated,
      normalised: { sha256: stream.normalisedDigest(), rules: RULES_VERSION },
    })
    return { stdout: describe(this.stdout), stderr: describe(this.stderr) }
  }

  /** The next chunk, or undefined when all that is kept was sent. */
  nextChunk(maxBytes: number): Pick<OutputChunk, 'stream' | 'offset' | 'data'> | undefined {
    if (!this.sendable) return undefined
    for (const [stream, , name] of this.pairs()) {
      const piece = stream.take(Math.min(maxBytes, CHUNK_BYTES))
      const number = name === 'stdout' ? OutputStream.OUTPUT_STREAM_STDOUT : OutputStream.OUTPUT_STREAM_STDERR
      if (piece) return { stream: number, offset: BigInt(piece.offset), data: piece.data }
    }
    return undefined
  }

  get hasMore(): boolean {
    return this.sendable && (this.stdout.sent < this.stdout.kept || this.stderr.sent < this.stderr.kept)
  }

  get isAcknowledged(): boolean {
    return this.stdout.acked >= this.stdout.kept && this.stderr.acked >= this.stderr.kept
  }

  acked(): Acked {
    return { stdout: this.stdout.acked, stderr: this.stderr.acked }
  }

  stream(number: OutputStream): KeptStream | undefined {
    if (number === OutputStream.OUTPUT_STREAM_STDOUT) return this.stdout
    if (number === OutputStream.OUTPUT_STREAM_STDERR) return this.stderr
    return undefined
  }

  close(): void {
    this.stdout.close()
    this.stderr.close()
  }

  private excess(): number {
    const beyond = (stream: KeptStream) => Math.max(0, stream.size() - stream.read)
    return beyond(this.stdout) + beyond(this.stderr)
  }

  private cutExcess(slack: number): void {
    for (const [stream] of this.pairs()) {
      const size = stream.size()
      if (size <= stream.read) continue
      stream.truncated = true
      if (size > stream.read + slack) stream.cut()
    }
  }

  private pairs(): [KeptStream, KeptStream, 'stdout' | 'stderr'][] {
    return [
      [this.stdout, this.stderr, 'stdout'],
      [this.stderr, this.stdout, 'stderr'],
    ]
  }
}
