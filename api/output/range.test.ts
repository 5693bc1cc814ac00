/** Ranges of output. */
import { parseRange } from './range.js'

describe('parseRange', () => {
  it.each([
    [undefined, 10, undefined],
    ['bytes=0-3', 10, { from: 0, to: 4 }],
    ['bytes=4-', 10, { from: 4, to: 10 }],
    ['bytes=-3', 10, { from: 7, to: 10 }],
    ['bytes=-30', 10, { from: 0, to: 10 }],
    ['bytes=8-99', 10, { from: 8, to: 10 }],
  ])('reads %s of %d bytes', (header, total, range) => {
    expect(parseRange(header, total)).toEqual(range)
  })

  it.each(['bytes=10-', 'bytes=5-4', 'bytes=-0', 'bytes=-', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=a-b'])(
    'refuses %s',
    (header) => {
      expect(() => parseRange(header, 10)).toThrow(expect.objectContaining({ code: 'range_invalid' }))
    },
  )

  it('takes the begin of a stream that is still empty as all of it', () => {
    expect(parseRange('bytes=0-99', 0)).toBeUndefined()
    expect(() => parseRange('bytes=1-', 0)).toThrow(expect.objectContaining({ code: 'range_invalid' }))
  })
})
