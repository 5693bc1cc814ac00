import { csvLine } from './csv.js'

describe('a line of CSV', () => {
  it('quotes what needs it, and leaves null empty', () => {
    expect(csvLine(['a', 'b,c', 'say "x"', 'two\nlines', null, 0, true])).toBe(
      'a,"b,c","say ""x""","two\nlines",,0,true\r\n',
    )
  })

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx'])('makes %j no formula', (text) => {
    expect(csvLine([text])).toBe(`'${text}\r\n`)
  })

  it('leaves numbers as they are, also negative ones', () => {
    expect(csvLine([-1])).toBe('-1\r\n')
  })
})
