import { checkOrder } from './migration-order'

describe('the order of migrations', () => {
  it('is taken up from an empty database, and from that of a version before', () => {
    expect(checkOrder(['0001-a', '0002-b'], [])).toBe('pending')
    expect(checkOrder(['0001-a', '0002-b'], ['0001-a'])).toBe('pending')
  })

  it('leaves the schema of this version, and that of a newer one, as it is', () => {
    expect(checkOrder(['0001-a', '0002-b'], ['0002-b', '0001-a'])).toBe('done')
    expect(checkOrder(['0001-a'], ['0001-a', '0002-b'])).toBe('done')
  })

  it.each([[['0001-a', '0003-c']], [['0001-a', '0002-other']], [['0001-a', '0001-x']]])(
    'refuses a database that has gone another way: %j',
    (done) => {
      expect(() => checkOrder(['0001-a', '0002-b'], done)).toThrow(
        expect.objectContaining({ code: 'schema_mismatch' }),
      )
    },
  )
})
