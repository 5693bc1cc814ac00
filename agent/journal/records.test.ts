/** Records of the wrapper as the agent reads them: whole or not at all. */
import { parseExit } from './records.js'

const BYTES = 48
const blank = `${' '.repeat(BYTES - 1)}\n`
const written = '137 36152.14'
const whole = written + blank.slice(written.length)

describe('the record of an end', () => {
  it('is read when all of it is there', () => {
    expect(parseExit(whole)).toEqual({ status: 137, uptimeMs: 36_152_140 })
  })

  it('is none while it is missing, blank or half written, from whichever side', () => {
    expect(parseExit(undefined)).toBeUndefined()
    for (let n = 0; n < written.length; n++) {
      expect(parseExit(whole.slice(0, n) + blank.slice(n))).toBeUndefined()
      if (n > 0) expect(parseExit(blank.slice(0, n) + whole.slice(n))).toBeUndefined()
    }
  })

  it('can be read by the version before, which a supervisor may go back to', () => {
    const before = /^(\d{1,3}) (\d+(?:\.\d+)?)\s*\n$/.exec(whole)
    expect(before?.slice(1)).toEqual(['137', '36152.14'])
  })
})
