/**
 * One output stream of one task: what of the file is kept, its running hash, and how far it was sent and acknowledged. The file
 * has what the script wrote; what is hashed and sent of a task with secrets is masked here, and nothing is told before.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { NormalisedHash, type Perspective } from '../../base/normalise.js'
import { isMissing, readIfPresent } from '../files.js'
import { copierFile, tellsLoss } from '../process/wrapper.js'
import { type Mask, maskPiece, type MaskStream } from './mask.js'

const READ_BYTES = 256 * 1024
const scratch = Buffer.allocUnsafe(READ_BYTES)

/** How a stream is read. */
export interface Reading {
  /** By which it is normalised; none where its end is recorded. */
  perspective?: Perspective | undefined
  /** None where the task has no secrets. */
  mask?: Mask | undefined
}

export class KeptStream {
  /** Bytes that were read and counted: what the cap is about. */
  read = 0
  /** Of these, what is hashed and may be sent: all but what a secret may still begin in. */
  kept = 0
  /** Whether something was cut or lost. */
  truncated = false
  sent = 0
  acked = 0
  private readonly path: string
  private hash: Hash | undefined = createHash('sha256')
  private normalised: NormalisedHash | undefined
  private file: number | undefined
  readonly mask: Mask | undefined
  private readonly masking: MaskStream | undefined
  private isEnded = false

  constructor(path: string, { perspective, mask }: Reading) {
    this.path = path
    this.normalised = perspective && new NormalisedHash(perspective)
    this.mask = mask
    this.masking = mask?.stream()
  }

  /** A stream whose end is recorded: nothing is hashed any more. */
  static ended(
    path: string,
    result: { bytes: number; truncated: boolean },
    mask: Mask | undefined,
  ): KeptStream {
    const stream = new KeptStream(path, { mask })
    stream.hash = undefined
    stream.isEnded = true
    stream.read = result.bytes
    stream.kept = result.bytes
    stream.truncated = result.truncated
    return stream
  }

  /** Size of the file now. */
  size(): number {
    const file = this.open()
    return file === undefined ? 0 : fstatSync(file).size
  }

  /**
   * Takes in what was written since the last call, up to `allowance` bytes.
   * @returns how many bytes were taken
   */
  advance(allowance: number): number {
    const file = this.open()
    if (file === undefined || !this.hash) return 0
    const { size } = fstatSync(file)
    // Somebody cut the file: a script can where FIFOs cannot be made.
    if (size < this.read) this.truncated = true
    const wanted = Math.min(allowance, size - this.read)
    let taken = 0
    while (taken < wanted) {
      const n = this.hashPiece(file, Math.min(READ_BYTES, wanted - taken))
      if (n === 0) break
      taken += n
    }
    return taken
  }

  /** The next bytes to send, at most `max`; `sent` moves on at once, so that two callers never send the same. */
  take(max: number): { offset: number; data: Buffer } | undefined {
    const offset = this.sent
    const length = Math.min(max, this.kept - offset)
    if (length <= 0) return undefined
    this.sent += length
    return {
      offset,
      data: this.mask ? this.readMasked(this.mask, offset, length) : this.readRaw(offset, length),
    }
  }

  private readRaw(offset: number, length: number): Buffer {
    const file = this.open()
    const data = Buffer.alloc(length)
    // Should somebody have cut the file, the gap stays filled with zeros, so that offsets keep their meaning.
    if (file !== undefined) readSync(file, data, 0, length, offset)
    return data
  }

  /** Masked anew at each reading: what surrounds a piece decides about it, and that is in the file. */
  private readMasked(mask: Mask, offset: number, length: number): Buffer {
    const from = Math.max(0, offset - mask.reach + 1)
    const to = Math.min(this.read, offset + length + mask.reach - 1)
    const bytes = this.readRaw(from, to - from)
    const isEnd = this.isEnded && to === this.read
    return maskPiece(mask, { bytes, isEnd, isCut: this.truncated }, { from: offset - from, length })
  }

  /** No more will be read: what was held back is decided. */
  end(): void {
    this.isEnded = true
    if (this.masking) this.keep(this.masking.end(this.truncated))
  }

  /** @returns how many bytes are newly acknowledged */
  acknowledge(offset: number): number {
    const upTo = Math.min(offset, this.kept)
    const freed = Math.max(0, upTo - this.acked)
    this.acked += freed
    this.sent = Math.max(this.sent, this.acked)
    return freed
  }

  /** Bytes that were sent and not acknowledged. */
  get underWay(): number {
    return Math.max(0, this.sent - this.acked)
  }

  /** Continues from where the server is. */
  resume(offset: number): void {
    // After a restart the server may be ahead of what was read again so far; then sending waits for the reading.
    this.acked = this.hash ? offset : Math.min(offset, this.kept)
    this.sent = this.acked
  }

  /** Gives up what this host has no more: it was acknowledged once, and a gap may not be told as zeros. */
  skipIfGone(): void {
    if (!this.hash && this.kept > 0 && this.open() === undefined) this.resume(this.kept)
  }

  /** Takes in whether the copier had to throw output away. */
  async noteLoss(): Promise<void> {
    const text = await readIfPresent(copierFile(this.path))
    if (text !== undefined && tellsLoss(text)) this.truncated = true
  }

  /** Throws away what lies behind the bytes that were read: the copier appends, so its next write lands right after them. */
  cut(): void {
    const file = openPresent(this.path, 'r+')
    if (file === undefined) return
    try {
      ftruncateSync(file, this.read)
    } finally {
      closeSync(file)
    }
  }

  /** Hex sha256 of the kept bytes; empty when it is not known any more. */
  digest(): string {
    return this.hash?.copy().digest('hex') ?? ''
  }

  /** The same of what is left of them when they are normalised. */
  normalisedDigest(): string {
    return this.normalised?.digest() ?? ''
  }

  close(): void {
    const { file } = this
    this.file = undefined
    if (file !== undefined) closeSync(file)
  }

  private hashPiece(file: number, length: number): number {
    const bytesRead = readSync(file, scratch, 0, length, this.read)
    const bytes = scratch.subarray(0, bytesRead)
    this.read += bytesRead
    this.keep(this.masking ? this.masking.push(bytes) : bytes)
    return bytesRead
  }

  private keep(bytes: Buffer): void {
    this.hash?.update(bytes)
    this.normalised?.update(bytes)
    this.kept += bytes.length
  }

  private open(): number | undefined {
    this.file ??= openPresent(this.path, 'r')
    return this.file
  }
}

function openPresent(path: string, flags: string): number | undefined {
  try {
    return openSync(path, flags)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
