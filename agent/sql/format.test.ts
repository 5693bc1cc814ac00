import fc from 'fast-check'
import { type Column, distinct, type Format, ResultText, type Value } from './format'

const text = (name: string): Column => ({ name, kind: 'text' })
const write = (format: Format, columns: Column[], ...rows: Value[][]) => {
  const result = new ResultText(format)
  return result.begin(columns) + rows.map((row) => result.row(row)).join('')
}
const value = fc.option(
  fc.string({ unit: fc.constantFrom('a', '\\', 'N', '\t', '\n', '\r', '"', ',', '\0', 'ü', '') }),
)

describe('rows as text', () => {
  it('stand on one line each in tsv, and no two differ only in what they mean', () => {
    fc.assert(
      fc.property(fc.tuple(value, value), fc.tuple(value, value), (one, other) => {
        const lines = write('tsv', [text('a'), text('b')], one, other).split('\n')
        expect(lines).toHaveLength(4)
        expect(lines[1] === lines[2]).toBe(one[0] === other[0] && one[1] === other[1])
        expect(lines[1]?.split('\t')).toHaveLength(2)
      }),
    )
  })

  it('tell nothing and the empty string apart in csv', () => {
    expect(write('csv', [text('a,b'), text('c')], [null, ''], ['x"y', 'l\nm'])).toBe(
      '"a,b",c\n,""\n"x""y","l\nm"\n',
    )
  })

  it('are objects of JSON that hold what was there', () => {
    fc.assert(
      fc.property(fc.tuple(value, value), (row) => {
        const line = write('jsonl', [text('a'), text('b')], row)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(JSON.parse(line)).toEqual({ a: row[0], b: row[1] })
      }),
    )
  })

  it('have numbers, truth and documents as such in JSON', () => {
    const columns: Column[] = [
      { name: 'n', kind: 'number' },
      { name: 'padded', kind: 'number' },
      { name: 'inf', kind: 'number' },
      { name: 'b', kind: 'boolean' },
      { name: 'j', kind: 'json' },
    ]
    expect(JSON.parse(write('jsonl', columns, ['-1.5e3', '007', 'Infinity', 'f', '{"a":\n1}']))).toEqual({
      n: -1500,
      padded: 7,
      inf: 'Infinity',
      b: false,
      j: { a: 1 },
    })
  })

  it('name every column, those of one name by number', () => {
    expect(distinct([text('id'), text('id_2'), text('id')]).map((column) => column.name)).toEqual([
      'id',
      'id_2',
      'id_3',
    ])
  })

  it('keep result sets apart by an empty line', () => {
    const result = new ResultText('tsv')
    expect(result.begin([text('a')]) + result.row(['1']) + result.begin([text('b')])).toBe('a\n1\n\nb\n')
  })
})
