/** Differences of two texts, by lines. */
import fc from 'fast-check'
import { changedLines, lineDiff } from './line-diff.js'

describe('the difference of two texts', () => {
  it('is a removed and an added line where one was changed, counted once', () => {
    const changes = lineDiff('a\nb\nc', 'a\nB\nc')
    expect(changes).toEqual([
      { sign: '-', line: 2, text: 'b' },
      { sign: '+', line: 2, text: 'B' },
    ])
    expect(changedLines(changes)).toBe(1)
  })

  it('is empty for equal texts', () => {
    expect(lineDiff('a\nb\n', 'a\nb\n')).toEqual([])
  })

  it('makes the second text of the first', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(text, text, (before, after) => {
        const changes = lineDiff(before.join('\n'), after.join('\n'))
        const removed = new Set(changes.filter((change) => change.sign === '-').map((change) => change.line))
        const added = new Set(changes.filter((change) => change.sign === '+').map((change) => change.line))
        const keptBefore = before.filter((_, index) => !removed.has(index + 1))
        const keptAfter = after.filter((_, index) => !added.has(index + 1))
        expect(keptBefore).toEqual(keptAfter)
      }),
    )
  })
})
