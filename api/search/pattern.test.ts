import type { PlatformError } from '../../domain/errors.js'
import { compilePattern, type Query } from './pattern.js'

const pattern = (text: string, more: Partial<Query> = {}) =>
  compilePattern({ text, regex: false, ignoreCase: false, ...more })
const regex = (text: string) => pattern(text, { regex: true })

describe('a pattern', () => {
  it.each<[string, string, [string, Partial<Query>?], [number, number] | undefined]>([
    ['a literal', 'abc a.c', ['a.c'], [4, 7]],
    ['a literal in bytes, not characters', 'ä€', ['€'], [2, 5]],
    ['a literal whatever its case', 'no error(1)', ['ERROR(1)', { ignoreCase: true }], [3, 11]],
    ['an expression', 'it took 12 ms', ['took [0-9]+ ms', { regex: true }], [3, 13]],
    ['an expression whatever its case', 'x FAILED', ['fail(ed)?', { regex: true, ignoreCase: true }], [2, 8]],
    ['nothing', 'a', ['zz'], undefined],
    ['an empty line', '', ['^$', { regex: true }], [0, 0]],
  ])('finds %s', (_what, line, wanted, span) => {
    const found = pattern(...wanted).find(Buffer.from(line))
    expect(found && [found.from, found.to]).toEqual(span)
  })

  it('matches bytes that are no text', () => {
    expect(regex('b+').find(Buffer.from([0xff, 0xc3, 98, 98, 0xb6]))).toEqual({ from: 2, to: 4 })
  })

  it.each([
    ['^b$', 'a\nb\nc\n'],
    ['b$', 'ab\r\nc\r\n'],
    ['\\Ab', 'a\nb\n'],
    ['b\\z', 'ab\nc\n'],
    ['(?i-s)B', 'ab\n'],
  ])('%s may match among lines of which one matches', (source, lines) => {
    expect(regex(source).mayMatch(Buffer.from(lines))).toBe(true)
  })

  it('says so where no line can match', () => {
    expect(regex('^b$').mayMatch(Buffer.from('ab\nbc\n'))).toBe(false)
    expect(pattern('b c').mayMatch(Buffer.from('b\nc\n'))).toBe(false)
  })

  it.each([
    ['half an expression', '('],
    ['a back-reference', '(a)\\1'],
    ['a look-ahead', '(?=a)'],
    ['a bomb of repeats', '((a{100}){100}){100}'],
    ['a large one', '(a{100}b{100}c{100})'],
  ])('refuses %s', (_what, source) => {
    const refused = expect.objectContaining<Partial<PlatformError>>({ code: 'pattern_invalid' })
    expect(() => regex(source)).toThrow(refused)
  })

  it('takes time linear to the bytes where others backtrack', () => {
    const line = Buffer.from(`${'a'.repeat(60_000)}!`)
    const from = performance.now()
    expect(regex('^(a+)+$').find(line)).toBeUndefined()
    // A matcher that backtracks takes 2^60000 steps: whatever machine this is, it is never done.
    expect(performance.now() - from).toBeLessThan(30_000)
  })
})
