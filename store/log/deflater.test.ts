import { randomBytes } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { Deflater } from './deflater'

const line = 'a line that comes again and again, as lines of programs do\n'

const pieces: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['a byte', Buffer.from('a')],
  ['text', Buffer.from(line.repeat(1_000))],
  ['what cannot be made shorter', randomBytes(64 * 1024)],
  ['more of it than comes out in one part', randomBytes(300_000)],
]

describe('Deflater', () => {
  it.each(pieces)('gives back %s', async (_name, data) => {
    const deflater = new Deflater()
    for (let again = 0; again < 3; again++)
      expect(inflateRawSync(await deflater.deflate(data)).equals(data)).toBe(true)
  })

  it('keeps apart what is asked for at the same time', async () => {
    const deflater = new Deflater()
    const asked = Array.from({ length: 200 }, (_, n) => pieces[n % pieces.length]?.[1] ?? Buffer.alloc(0))
    const got = await Promise.all(asked.map((data) => deflater.deflate(data)))
    expect(got.map((deflated) => inflateRawSync(deflated).length)).toEqual(asked.map((data) => data.length))
    expect(got.every((deflated, n) => inflateRawSync(deflated).equals(asked[n] ?? Buffer.alloc(0)))).toBe(
      true,
    )
  })
})
