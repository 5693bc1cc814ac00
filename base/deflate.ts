/** Deflating what repeats itself, as output mostly does. */
import { constants, deflateRawSync } from 'node:zlib'

/** Below this many bytes there is little to gain: 256 of a log came to 116, in the 7 µs that 4 KiB take. */
const LEAST_BYTES = 512

export interface Deflated {
  data: Buffer
  /** What `data` inflates to (raw deflate, RFC 1951); 0 if it is as it was. */
  inflatedBytes: number
}

/** @returns how many bytes these stand for: those that they inflate to, as it is said, else their own */
export function inflatedLength({ data, inflatedBytes }: Partial<Deflated> & Pick<Deflated, 'data'>): number {
  return inflatedBytes || data.length
}

/**
 * Deflates in place: zlib's asynchronous calls go to another thread and back, and take six times the work for text that repeats
 * itself (docs/benchmarks.md). 64 KiB of a log take 0.1 ms, random letters 0.8 ms.
 * @returns the bytes as they are where deflating does not make them fewer
 */
export function deflate(data: Buffer): Deflated {
  if (data.length < LEAST_BYTES) return { data, inflatedBytes: 0 }
  // Its result keeps the whole buffer that it was written into.
  const chunkSize = data.length + constants.Z_MIN_CHUNK
  const deflated = deflateRawSync(data, { level: constants.Z_BEST_SPEED, chunkSize })
  return deflated.length < data.length
    ? { data: deflated, inflatedBytes: data.length }
    : { data, inflatedBytes: 0 }
}
