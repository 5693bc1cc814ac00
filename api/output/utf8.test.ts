/** Text in chunks. */
import { textOrBytes, wholeCharacters } from './utf8.js'

describe('wholeCharacters', () => {
  const text = Buffer.from('aé€😀')

  it.each([
    [0, 0],
    [1, 1],
    [2, 1],
    [3, 3],
    [4, 3],
    [5, 3],
    [6, 6],
    [7, 6],
    [9, 6],
    [10, 10],
  ])('of the first %d bytes keeps %d', (length, whole) => {
    expect(wholeCharacters(text.subarray(0, length))).toBe(whole)
  })

  it('does not hold back bytes that no character can need', () => {
    expect(wholeCharacters(Buffer.from([0x61, 0x80, 0x80, 0x80]))).toBe(4)
  })
})

describe('textOrBytes', () => {
  it('gives text as text, a byte order mark included', () => {
    expect(textOrBytes(Buffer.from('\uFEFFgrüße\n'))).toEqual({ text: '\uFEFFgrüße\n' })
  })

  it('gives what is not UTF-8 byte for byte', () => {
    expect(textOrBytes(Buffer.from([0xff, 0x00]))).toEqual({ bytes: '/wA=' })
  })
})
