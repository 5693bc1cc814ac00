/** Chunks that no agent sends are told from those that they do. */
import { constants, deflateRawSync } from 'node:zlib'
import { CHUNK_BYTES, type OutputChunk, OutputStream } from '../../proto/index.js'
import { isSound } from './sound-chunk.js'

const chunk = (data: Buffer, inflatedBytes = 0, offset = 0n): OutputChunk => ({
  dispatchId: Buffer.alloc(32),
  stream: OutputStream.OUTPUT_STREAM_STDOUT,
  offset,
  data,
  atMs: 0n,
  inflatedBytes,
})

describe('a sound chunk', () => {
  it('holds up to 64 KiB as they are, or deflated as far as that goes', () => {
    expect(isSound(chunk(Buffer.alloc(1)))).toBe(true)
    expect(isSound(chunk(Buffer.alloc(CHUNK_BYTES)))).toBe(true)
    for (const bytes of [512, 10_000, CHUNK_BYTES]) {
      const most = deflateRawSync(Buffer.alloc(bytes), { level: constants.Z_BEST_COMPRESSION })
      expect(isSound(chunk(most, bytes))).toBe(true)
    }
  })

  it.each([
    ['is empty', chunk(Buffer.alloc(0))],
    ['is empty and says that it is not', chunk(Buffer.alloc(0), 100)],
    ['is too long', chunk(Buffer.alloc(CHUNK_BYTES + 1))],
    ['comes to too much', chunk(Buffer.alloc(1_000), CHUNK_BYTES + 1)],
    ['comes to more than a deflate can', chunk(Buffer.alloc(10), 10_321)],
    ['comes to less than it holds', chunk(Buffer.alloc(24), 3)],
    ['lies far beyond the cap', chunk(Buffer.alloc(1), 0, 2_000_000_000n)],
    ['lies where no number reaches', chunk(Buffer.alloc(1), 0, 2n ** 64n - 1n)],
  ])('is not one that %s', (_, unsound) => {
    expect(isSound(unsound)).toBe(false)
  })
})
