import { cutBytes, utf8Length } from './text.js'

describe('cutBytes', () => {
  it.each([
    ['short', 10, 'short'],
    ['0123456789', 4, '0123'],
    ['héé', 3, 'hé'],
    ['héé', 4, 'hé'],
    ['部署部署', 7, '部署'],
    ['a😀', 4, 'a'],
    ['😀', 4, '😀'],
  ])('of %j to %d bytes is %j', (text, max, cut) => {
    expect(cutBytes(text, max)).toBe(cut)
    expect(utf8Length(cut)).toBe(Buffer.byteLength(cut))
  })
})
