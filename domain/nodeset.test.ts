import fc from 'fast-check'
import { compareNatural, expandNodeset, foldNodeset, NodesetFault } from './nodeset.js'

describe('a node set', () => {
  it.each([
    ['web-1', ['web-1']],
    ['web-[01-03]', ['web-01', 'web-02', 'web-03']],
    ['web-[8-10]', ['web-8', 'web-9', 'web-10']],
    ['web-[1,3-4].eu', ['web-1.eu', 'web-3.eu', 'web-4.eu']],
    ['r[1-2]n[1-2]', ['r1n1', 'r1n2', 'r2n1', 'r2n2']],
    ['a, b ,a', ['a', 'b']],
  ])('%s expands', (text, names) => {
    expect(expandNodeset(text)).toEqual(names)
  })

  it.each(['web-[', 'web-]1[', 'web-[a-b]', 'web-[3-1]', 'a,,b', '', 'x[[1]]', 'web-[0-999999]'])(
    '%p is refused',
    (text) => {
      expect(() => expandNodeset(text)).toThrow(NodesetFault)
    },
  )

  it.each([
    [['rack-a-1', 'rack-a-2', 'rack-a-4', 'rack-b-1'], 'rack-a-[1-2,4],rack-b-1'],
    [['web-08', 'web-09', 'web-10'], 'web-[08-09],web-10'],
    [['web-9', 'web-10', 'web-11'], 'web-[9-11]'],
    [['db', 'app'], 'app,db'],
    [['n1', 'n1'], 'n1'],
    [[], ''],
  ])('folds %j', (names, text) => {
    expect(foldNodeset(names)).toBe(text)
  })

  it('expands to what it was folded from, whatever the names', () => {
    const name = fc.stringMatching(/^[a-z]{1,3}-?\d{0,4}[a-z]{0,2}$/)
    fc.assert(
      fc.property(
        fc.array(
          name.filter((text) => text.length > 0),
          { minLength: 1, maxLength: 40 },
        ),
        (names) => {
          expect(new Set(expandNodeset(foldNodeset(names)))).toEqual(new Set(names))
        },
      ),
    )
  })
})

describe('the natural order', () => {
  it('puts web-2 before web-10', () => {
    expect(['web-10', 'web-2', 'app-3', 'web-2a'].sort(compareNatural)).toEqual([
      'app-3',
      'web-2',
      'web-2a',
      'web-10',
    ])
  })
})
