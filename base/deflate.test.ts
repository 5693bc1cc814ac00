/** Fewer bytes, or the same ones. */
import { randomBytes } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { deflate } from './deflate.js'

describe('deflate', () => {
  it('makes text that repeats itself shorter, and says what it was', () => {
    const text = Buffer.from('a line of a log\n'.repeat(4_096))
    const { data, inflatedBytes } = deflate(text)
    expect(data.length).toBeLessThan(text.length / 50)
    expect(inflatedBytes).toBe(text.length)
    expect(inflateRawSync(data)).toEqual(text)
  })

  it('leaves random bytes and short ones as they are', () => {
    for (const bytes of [randomBytes(65_536), randomBytes(600), Buffer.alloc(511), Buffer.alloc(0)])
      expect(deflate(bytes)).toEqual({ data: bytes, inflatedBytes: 0 })
  })
})
