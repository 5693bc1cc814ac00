/** Output of tasks as it came to a gateway. */
import { inflateRawSync } from 'node:zlib'
import { inflatedLength } from '../../base/deflate.js'
import { type OutputChunk, type OutputStream } from '../../proto/index.js'

export class ReceivedOutput {
  /** Where what came was not in the order of the bytes. */
  readonly gaps: string[] = []
  /** By `<id>:<stream>`. */
  private readonly streams = new Map<string, { length: number; pieces: Buffer[] }>()

  /** @returns how many bytes of its stream there are with it */
  take(chunk: OutputChunk): number {
    const key = `${chunk.dispatchId.toString('hex')}:${chunk.stream}`
    const have = this.streams.get(key) ?? { length: 0, pieces: [] }
    if (Number(chunk.offset) !== have.length) this.gaps.push(`${key} has ${have.length}, got ${chunk.offset}`)
    have.pieces.push(chunk.inflatedBytes ? inflateRawSync(chunk.data) : chunk.data)
    have.length += inflatedLength(chunk)
    this.streams.set(key, have)
    return have.length
  }

  text(id: string, stream: OutputStream): Buffer {
    return Buffer.concat(this.streams.get(`${id}:${stream}`)?.pieces ?? [])
  }

  received(id: string, stream: OutputStream): number {
    return this.streams.get(`${id}:${stream}`)?.length ?? 0
  }

  forget(id: string): void {
    this.streams.delete(`${id}:1`)
    this.streams.delete(`${id}:2`)
  }
}
