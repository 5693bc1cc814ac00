import fc from 'fast-check'
import { LineFinder, type Match, PIECE_BYTES } from './line-finder.js'
import { compilePattern } from './pattern.js'

const pattern = compilePattern({ text: 'needle', regex: false, ignoreCase: false })

function findIn(pieces: readonly Buffer[], from = { offset: 0, line: 1 }): Match[] {
  const finder = new LineFinder(pattern, from)
  return [...pieces.flatMap((piece) => finder.push(piece)), ...finder.end()]
}

const cut = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const ends = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}
const places = (matches: readonly Match[]) => matches.map(({ line, offset }) => [line, offset])

describe('the line finder', () => {
  it('tells the first match of each line, with its line and offset', () => {
    const [first, second, ...others] = findIn([Buffer.from('a\n needle needle\r\n\nneedle')])
    expect(others).toEqual([])
    expect(first).toMatchObject({
      line: 2,
      offset: 3,
      length: 6,
      textOffset: 2,
      next: { offset: 18, line: 3 },
    })
    expect(first?.text.toString()).toBe(' needle needle')
    expect(second).toMatchObject({ line: 4, offset: 19, next: { offset: 25, line: 4 } })
  })

  it('finds the same however the bytes come in pieces, and from any hit on', () => {
    const word = fc.constantFrom('needle', 'need', 'le', '\n', '\r\n', ' ', 'x'.repeat(5_000))
    const text = fc.array(word, { maxLength: 60 }).map((words) => Buffer.from(words.join('')))
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 8 }), fc.nat(), (bytes, at, nth) => {
        const whole = findIn([bytes])
        expect(places(findIn(cut(bytes, at)))).toEqual(places(whole))
        const hit = whole[nth % (whole.length || 1)]
        if (!hit) return
        const rest = findIn([bytes.subarray(hit.next.offset)], hit.next)
        expect(places(rest)).toEqual(places(whole.slice(whole.indexOf(hit) + 1)))
      }),
    )
  })

  it('keeps little of a line without an end, and misses nothing where its pieces meet', () => {
    for (const at of [0, 10, PIECE_BYTES - 1030, PIECE_BYTES - 1024, PIECE_BYTES - 3, PIECE_BYTES, 300_000]) {
      const bytes = Buffer.alloc(400_000, 120)
      bytes.write('needle', at)
      expect(places(findIn([bytes]))).toEqual([[1, at]])
      expect(places(findIn(cut(bytes, [7, 65_536, 200_000])))).toEqual([[1, at]])
    }
  })

  it('binds to the begin of a line only there, in a line of many pieces, too', () => {
    const bytes = Buffer.alloc(100_000, 120)
    const anchored = compilePattern({ text: '^x', regex: true, ignoreCase: false })
    const inWords = compilePattern({ text: '\\bx', regex: true, ignoreCase: false })
    for (const pieces of [[bytes], cut(bytes, [1, 16_383, 16_385, 50_000])])
      for (const pattern of [anchored, inWords]) {
        const finder = new LineFinder(pattern, { offset: 0, line: 1 })
        const found = [...pieces.flatMap((piece) => finder.push(piece)), ...finder.end()]
        expect(places(found)).toEqual([[1, 0]])
      }
  })
})
