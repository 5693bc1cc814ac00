import fc from 'fast-check'
import { splitMysql } from './split-mysql'

const split = (text: string, escapes = true) => [...splitMysql(text, () => escapes)].map((one) => one.text)

describe('splitting a MySQL script', () => {
  it.each<[string, string, string[]]>([
    ['at semicolons, without the empty ones', 'select 1;; ;\nselect 2', ['select 1', 'select 2']],
    [
      'not in strings, with escapes and doubled quotes',
      `select 'a\\';''b;', "c\\";d";x`,
      [`select 'a\\';''b;', "c\\";d"`, 'x'],
    ],
    ['not in names, where a backslash is only that', 'select `a;\\`;x', ['select `a;\\`', 'x']],
    [
      'not in comments, which do not nest',
      'a -- ;\n # ;\n /* ; /* ; */;x',
      ['a -- ;\n # ;\n /* ; /* ; */', 'x'],
    ],
    ['where two dashes are no comment', 'select 1--1;x', ['select 1--1', 'x']],
    [
      'with the code in comments as code',
      `/*!40101 select ';*/' */;/*M! x; */;y`,
      [`/*!40101 select ';*/' */`, '/*M! x; */', 'y'],
    ],
    [
      'at another delimiter from where it is set',
      'a;\nDELIMITER //\ncreate procedure p() begin x; y; end//\n\ndelimiter ;\nb;c',
      ['a', 'create procedure p() begin x; y; end', 'b', 'c'],
    ],
    ['with what is not closed as one', `a;select 'b;c`, ['a', `select 'b;c`]],
    ['with nothing but comments as nothing', '-- a;\n/* b; */ # c', []],
  ])('%s', (_, text, want) => {
    expect(split(text)).toEqual(want)
  })

  it('takes backslashes as they are where the mode says so', () => {
    expect(split(`select '\\';x`, false)).toEqual([`select '\\'`, 'x'])
  })

  it('ends on any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...`'"\`#-/*!;\\aM\n `.split(''), 'delimiter ') }),
        (text) => {
          for (const { text: piece, offset } of splitMysql(text, () => true))
            expect(text.startsWith(piece, offset)).toBe(true)
        },
      ),
    )
  })
})
