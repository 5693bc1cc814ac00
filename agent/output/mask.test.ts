import fc from 'fast-check'
import { type Mask, maskAll, maskOf, maskPiece } from './mask.js'

const mask = (values: string[]): Mask => maskOf(values.map((value) => Buffer.from(value))) ?? never()
const never = (): never => {
  throw new Error('there is nothing to mask')
}

function whole(of: Mask, bytes: Buffer, isCut = false): string {
  const stream = of.stream()
  return Buffer.concat([stream.push(bytes), stream.end(isCut)]).toString('latin1')
}
const masked = (values: string[], text: string) => whole(mask(values), Buffer.from(text))

/** What it should come to, found the slow way. */
function slow(patterns: readonly string[], text: string): string {
  const chars = text.split('')
  const stars = chars.map(() => false)
  for (const pattern of patterns)
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1))
      stars.fill(true, at, at + pattern.length)
  return chars.map((char, at) => (stars[at] ? '*' : char)).join('')
}

describe('a masked output', () => {
  it('has a star for each byte of a secret, and everything else as it was', () => {
    expect(masked(['hunter2'], 'a hunter2 and hunter2hunter2 and hunter\n')).toBe(
      'a ******* and ************** and hunter\n',
    )
    expect(masked(['pässe'], 'x pässe y')).toBe('x ****** y')
  })

  it('has each line of a secret masked, and the secret as a whole', () => {
    const key = '-----BEGIN-----\nabcdefgh\r\nij\n-----END-----\n'
    expect(masked([key], `> abcdefgh <\n-----END-----\nij\n${key}!`)).toBe(
      `> ******** <\n*************\nij\n${'*'.repeat(key.length)}!`,
    )
  })

  it('has a secret masked as scripts usually read it: without its last line end, and without blanks around it', () => {
    expect(masked(['ab\ncd\nef\n'], '-ab\ncd\nef-')).toBe('-********-')
    expect(masked(['  hunter22\t\n'], '<hunter22>')).toBe('<********>')
  })

  it('shows values and lines of fewer than four characters', () => {
    expect(
      maskOf([Buffer.from('abc'), Buffer.from('äöü'), Buffer.from('a\nbc\n')].slice(0, 2)),
    ).toBeUndefined()
    expect(masked(['a\nbc\n'], 'a bc a\nbc\n')).toBe('a bc *****')
    expect(masked(['äöüß'], 'äöüß')).toBe('********')
  })

  it('masks secrets that overlap, that begin alike, and that lie in each other', () => {
    expect(masked(['abcde', 'defgh'], 'abcdefghi')).toBe('********i')
    expect(masked(['abcd', 'abcdefgh'], 'abcdefg abcdefgh')).toBe('****efg ********')
    expect(masked(['xabcdx', 'abcd'], 'xabcdy xabcdx')).toBe('x****y ******')
    expect(masked(['aaaa'], 'aaabaaaaaab')).toBe('aaab******b')
  })

  it('that was cut masks what may be the beginning of a secret', () => {
    const of = mask(['hunter2'])
    expect(whole(of, Buffer.from('say hunte'), true)).toBe('say *****')
    expect(whole(of, Buffer.from('say hunte'), false)).toBe('say hunte')
  })

  it('holds back only what a secret could still begin in', () => {
    const stream = mask(['hunter2', 'terminal']).stream()
    expect(stream.push(Buffer.from('a hun')).toString()).toBe('a ')
    expect(stream.push(Buffer.from('ter')).toString()).toBe('')
    // `hunterm` is none, but `term` may become one.
    expect(stream.push(Buffer.from('m')).toString()).toBe('hun')
    expect(stream.push(Buffer.from('!')).toString()).toBe('term!')
  })

  // Few letters and short patterns: nearly every text has overlapping occurrences.
  const letters = fc.constantFrom('a', 'b', 'c', '\n')
  const text = (most: number) => fc.string({ unit: letters, maxLength: most })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 9 })
  const patterns = fc.array(pattern, { minLength: 1, maxLength: 4 })

  it('is what looking for each secret at each place gives', () => {
    fc.assert(
      fc.property(patterns, text(200), (values, output) => {
        expect(masked(values, output)).toBe(slow(values, output))
      }),
      { numRuns: 2_000 },
    )
  })

  it('is the same however the bytes come in pieces', () => {
    fc.assert(
      fc.property(patterns, fc.array(text(20), { maxLength: 20 }), fc.boolean(), (values, pieces, isCut) => {
        const of = mask(values)
        const stream = of.stream()
        const given = pieces.map((piece) => stream.push(Buffer.from(piece)))
        const bytes = Buffer.concat([...given, stream.end(isCut)])
        expect(bytes.toString()).toBe(whole(of, Buffer.from(pieces.join('')), isCut))
      }),
      { numRuns: 2_000 },
    )
  })

  it('is the same when it is read again from any offset, with no more than the reach around it', () => {
    fc.assert(
      fc.property(
        patterns,
        text(120),
        fc.nat(120),
        fc.nat(40),
        fc.boolean(),
        (...[values, output, at, n, isCut]) => {
          const of = mask(values)
          const all = Buffer.from(output)
          const offset = Math.min(at, all.length)
          const length = Math.min(n, all.length - offset)
          const from = Math.max(0, offset - of.reach + 1)
          const to = Math.min(all.length, offset + length + of.reach - 1)
          const piece = { bytes: all.subarray(from, to), isEnd: to === all.length, isCut }
          const again = maskPiece(of, piece, { from: offset - from, length })
          expect(again.toString()).toBe(whole(of, all, isCut).slice(offset, offset + length))
        },
      ),
      { numRuns: 5_000 },
    )
  })

  it('takes time linear to the output, whatever the secret', () => {
    const of = mask(['a'.repeat(64 * 1024), `${'a'.repeat(32 * 1024)}b`])
    const before = performance.now()
    const stream = of.stream()
    let stars = 0
    for (let n = 0; n < 256; n++)
      for (const byte of stream.push(Buffer.alloc(16 * 1024, 'a'))) stars += Number(byte === 0x2a)
    stars += stream.end(false).filter((byte) => byte === 0x2a).length
    expect(stars).toBe(4 << 20)
    expect(performance.now() - before).toBeLessThan(10_000)
  })

  it('is nothing but stars where the secrets are not known any more', () => {
    expect(whole(maskAll, Buffer.from('whatever\n'))).toBe('*********')
  })
})
