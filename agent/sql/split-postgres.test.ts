import fc from 'fast-check'
import { splitPostgres } from './split-postgres'

const split = (text: string, standard = true) =>
  [...splitPostgres(text, () => standard)].map((one) => one.text)

describe('splitting a PostgreSQL script', () => {
  it.each<[string, string, string[]]>([
    ['at semicolons, without the empty ones', 'select 1;; ;\nselect 2', ['select 1', 'select 2']],
    ['not in strings, whose quotes are doubled', `select 'a;''b;';x`, [`select 'a;''b;'`, 'x']],
    ['not in names', 'select "a;""b";x', ['select "a;""b"', 'x']],
    ['not in strings with escapes', `select E'\\';' ;x`, [`select E'\\';'`, 'x']],
    ['where a backslash is only that', `select '\\';x`, [`select '\\'`, 'x']],
    ['where a name ends with E', `select typE'\\';x`, [`select typE'\\'`, 'x']],
    ['not in dollar quotes', 'do $$ a; b $$;x', ['do $$ a; b $$', 'x']],
    ['not in dollar quotes with a tag', 'do $a$ $$; $b$; $a$;x', ['do $a$ $$; $b$; $a$', 'x']],
    [
      'where a dollar is a part of a name or a parameter',
      'select a$$;select $1;x',
      ['select a$$', 'select $1', 'x'],
    ],
    [
      'not in comments, which nest',
      'select 1 -- ;\n/* ; /* ; */ ; */ + 2;x',
      ['select 1 -- ;\n/* ; /* ; */ ; */ + 2', 'x'],
    ],
    [
      'not in brackets',
      'create rule r as on insert to t do (a; b);x',
      ['create rule r as on insert to t do (a; b)', 'x'],
    ],
    [
      'not in the SQL body of a routine',
      'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end;begin;x;end;',
      [
        'create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end',
        'begin',
        'x',
        'end',
      ],
    ],
    ['with what is not closed as one', `a;select 'b;c`, ['a', `select 'b;c`]],
    ['with nothing but comments as nothing', '-- a;\n/* b; */', []],
  ])('%s', (_, text, want) => {
    expect(split(text)).toEqual(want)
  })

  it('takes backslashes as escapes from where a statement has made them so', () => {
    let standard = true
    const found: string[] = []
    for (const { text } of splitPostgres(`a;'\\';';'b'`, () => standard)) {
      found.push(text)
      standard = false
    }
    expect(found).toEqual(['a', `'\\';'`, `'b'`])
  })

  const piece = fc.oneof(
    fc.constantFrom('select', ' 1 ', 'begin', 'end', 'E', '\n', '+', '--c;\n', '/*;/*;*/*/', '$1', 'a$b'),
    fc.stringMatching(/^[a-z; $-]*$/).map((text) => `'${text}'`),
    fc.stringMatching(/^[a-z; '-]*$/).map((text) => `"${text}"`),
    fc.stringMatching(/^[a-z; '"-]*$/).map((text) => ` $q$${text}$q$ `),
    fc.stringMatching(/^[a-z]*$/).map((text) => `(${text};${text})`),
  )

  it('finds the statements that were joined, whatever they are made of, each where it says', () => {
    fc.assert(
      fc.property(fc.array(fc.array(piece, { minLength: 1 }), { maxLength: 5 }), (parts) => {
        const statements = parts.map((pieces) => `x ${pieces.join(' ')}`.trim())
        const text = statements.join('\n;\n')
        const found = [...splitPostgres(text, () => true)]
        expect(found.map((one) => one.text)).toEqual(statements)
        for (const { text: piece, offset } of found) expect(text.startsWith(piece, offset)).toBe(true)
      }),
    )
  })

  it('ends on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...`'"$-/*;()\\aE\n `.split('')) }), (text) => {
        const found = split(text)
        expect(found.every((one) => text.includes(one))).toBe(true)
      }),
    )
  })
})
