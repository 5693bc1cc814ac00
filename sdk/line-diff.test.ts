/** Line differences, held against the definition: applying a diff to one text gives the other. */
import fc from 'fast-check'
import { changedLines, unifiedDiff } from './line-diff.js'

const texts = fc
  .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 })
  .map((lines) => lines.map((line) => `${line}\n`).join(''))

function apply(before: string, diff: readonly string[]): string {
  const old = before.split('\n').slice(0, -1)
  const out: string[] = []
  let at = 0
  for (const line of diff) {
    const hunk = /^@@ -(\d+),(\d+) /.exec(line)
    if (hunk) {
      const start = Number(hunk[1]) - (Number(hunk[2]) ? 1 : 0)
      while (at < start) out.push(old[at++] ?? '')
    } else if (line.startsWith('+')) out.push(line.slice(1))
    else {
      expect(old[at]).toBe(line.slice(1))
      if (line.startsWith(' ')) out.push(line.slice(1))
      at++
    }
  }
  return [...out, ...old.slice(at)].map((line) => `${line}\n`).join('')
}

describe('unifiedDiff', () => {
  it('turns one text into the other', () => {
    fc.assert(
      fc.property(texts, texts, (before, after) =>
        expect(apply(before, unifiedDiff(before, after))).toBe(after),
      ),
    )
  })

  it('is empty for equal texts', () => {
    expect(unifiedDiff('a\nb\n', 'a\nb\n')).toEqual([])
  })

  it('keeps changes that are far apart in hunks of their own', () => {
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`)
    const changed = lines.with(2, 'X').with(27, 'Y')
    const diff = unifiedDiff(lines.join('\n'), changed.join('\n'))
    expect(diff.filter((line) => line.startsWith('@@'))).toEqual(['@@ -1,6 +1,6 @@', '@@ -25,6 +25,6 @@'])
  })

  it('survives texts that are too long to compare line by line', () => {
    const many = (letter: string) => Array.from({ length: 5_000 }, (_, i) => letter + i).join('\n')
    expect(changedLines(many('a'), many('b'))).toBe(5_000)
  })
})

describe('changedLines', () => {
  it.each([
    ['a\nb\n', 'a\nc\n', 1],
    ['a\n', 'a\nb\nc\n', 2],
    ['a\nb\nc\n', 'c\n', 2],
    ['a', 'a\n', 0],
  ])('of %j and %j is %d%#', (before, after, lines) => {
    expect(changedLines(before, after)).toBe(lines)
  })
})
