/** Output that is never kept: the few bytes that a script's text named, then filler that can be made again at any offset. */
import { createHash } from 'node:crypto'
import { RULES_VERSION } from '../../base/normalise-rules.js'
import { Normaliser, type Perspective } from '../../base/normalise.js'
import { CHUNK_BYTES, type OutputChunk, OutputStream } from '../../proto/index.js'
import type { StreamResult } from '../journal/records.js'

const LINE = `${'simulated output, the same on every host '.padEnd(63, '.')}\n`
const filler = Buffer.from(LINE.repeat(CHUNK_BYTES / LINE.length + 1))

// Most hosts of a group write the same, so its hash is taken once.
const digests = new Map<string, string>()
const MAX_DIGESTS = 256

/** Enough to make a stream again: its text (base64) and how much filler follows. */
export interface StreamSeed {
  text: string
  filler: number
}

export class SimulatedStream {
  truncated = false
  sent = 0
  acked = 0
  private text: Buffer
  private filled: number

  private readonly perspective: Perspective | undefined

  /** @param perspective by which output is normalised; none for what is known by its end alone */
  constructor(seed: StreamSeed = { text: '', filler: 0 }, perspective?: Perspective) {
    this.perspective = perspective
    this.text = Buffer.from(seed.text, 'base64')
    this.filled = seed.filler
  }

  get kept(): number {
    return this.text.length + this.filled
  }

  get seed(): StreamSeed {
    return { text: this.text.toString('base64'), filler: this.filled }
  }

  /** Text comes before filler, always. */
  write(text: Buffer): void {
    this.text = Buffer.concat([this.text, text])
  }

  fill(bytes: number): void {
    this.filled += bytes
  }

  take(max: number): { offset: number; data: Buffer } | undefined {
    const offset = this.sent
    const length = Math.min(max, this.kept - offset)
    if (length <= 0) return undefined
    this.sent += length
    const words = this.text.subarray(offset, offset + length)
    const from = Math.max(0, offset - this.text.length) % LINE.length
    const rest = filler.subarray(from, from + length - words.length)
    return { offset, data: words.length ? Buffer.concat([words, rest]) : rest }
  }

  /** @returns how many bytes are newly acknowledged */
  acknowledge(offset: number): number {
    const upTo = Math.min(offset, this.kept)
    const freed = Math.max(0, upTo - this.acked)
    this.acked += freed
    this.sent = Math.max(this.sent, this.acked)
    return freed
  }

  resume(offset: number): void {
    this.acked = Math.min(offset, this.kept)
    this.sent = this.acked
  }

  describe(): StreamResult {
    const { kept, filled, truncated, perspective } = this
    const result = { bytes: kept, sha256: digestOf(this.text, filled), truncated }
    if (!perspective) return result
    const parts: Buffer[] = []
    const normaliser = new Normaliser(perspective, (part) => parts.push(part))
    normaliser.update(this.text)
    normaliser.end()
    // The filler holds nothing that could be taken out.
    return { ...result, normalised: { sha256: digestOf(Buffer.concat(parts), filled), rules: RULES_VERSION } }
  }
}

function digestOf(text: Buffer, filled: number): string {
  const key = `${filled}:${text.toString('latin1')}`
  const known = digests.get(key)
  if (known) return known
  const hash = createHash('sha256').update(text)
  for (let left = filled; left > 0; left -= CHUNK_BYTES)
    hash.update(filler.subarray(0, Math.min(left, CHUNK_BYTES)))
  const digest = hash.digest('hex')
  if (digests.size >= MAX_DIGESTS) digests.clear()
  digests.set(key, digest)
  return digest
}

export class SimulatedOutput {
  readonly stdout: SimulatedStream
  readonly stderr: SimulatedStream
  /** Whether the server has said where to go on. */
  sendable = false
  private readonly capBytes: number

  constructor(
    capBytes: number,
    seeds: { stdout?: StreamSeed; stderr?: StreamSeed } = {},
    perspective?: Perspective,
  ) {
    this.capBytes = capBytes
    this.stdout = new SimulatedStream(seeds.stdout, perspective)
    this.stderr = new SimulatedStream(seeds.stderr, perspective)
  }

  write(name: 'stdout' | 'stderr', text: string): void {
    const bytes = Buffer.from(text)
    this[name].write(bytes.subarray(0, this.allow(name, bytes.length)))
  }

  fill(bytes: number): void {
    this.stdout.fill(this.allow('stdout', bytes))
  }

  get isAcknowledged(): boolean {
    return this.stdout.acked >= this.stdout.kept && this.stderr.acked >= this.stderr.kept
  }

  acked(): { stdout: number; stderr: number } {
    return { stdout: this.stdout.acked, stderr: this.stderr.acked }
  }

  stream(number: OutputStream): SimulatedStream | undefined {
    if (number === OutputStream.OUTPUT_STREAM_STDOUT) return this.stdout
    if (number === OutputStream.OUTPUT_STREAM_STDERR) return this.stderr
    return undefined
  }

  nextChunk(maxBytes: number): Pick<OutputChunk, 'stream' | 'offset' | 'data'> | undefined {
    if (!this.sendable) return undefined
    for (const number of [OutputStream.OUTPUT_STREAM_STDOUT, OutputStream.OUTPUT_STREAM_STDERR]) {
      const piece = this.stream(number)?.take(Math.min(maxBytes, CHUNK_BYTES))
      if (piece) return { stream: number, offset: BigInt(piece.offset), data: piece.data }
    }
    return undefined
  }

  /** How much of `bytes` the cap leaves. */
  private allow(name: 'stdout' | 'stderr', bytes: number): number {
    const room = Math.max(0, this.capBytes - this.stdout.kept - this.stderr.kept)
    if (bytes > room) this[name].truncated = true
    return Math.min(bytes, room)
  }
}
