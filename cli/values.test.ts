/** Values of the command line. */
import {
  formatBytes,
  formatDuration,
  parseConcurrency,
  parseDuration,
  parsePair,
  parseRun,
} from './values.js'

describe('values of the command line', () => {
  it.each([
    ['90s', 90_000],
    ['2m', 120_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1d', 86_400_000],
  ])('reads the duration %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each([
    [20, '20ms'],
    [1_240, '1.2s'],
    [83_000, '1m23s'],
    [3_600_000, '1h00m00s'],
    [59_600, '1m00s'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it.each([
    [0, '0 bytes'],
    [1_023, '1023 bytes'],
    [1_536, '1.5 KiB'],
    [5 * 1_024 ** 3, '5.0 GiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it.each([
    ['r-812', '812'],
    ['812', '812'],
  ])('takes %s as a run', (text, id) => {
    expect(parseRun(text)).toBe(id)
  })

  it.each([
    [parseDuration, '5'],
    [parseDuration, '5 m'],
    [parseRun, 'r-'],
    [parseRun, '0'],
    [parsePair, 'A'],
    [parsePair, '=x'],
    [parseConcurrency, '0'],
    [parseConcurrency, '101%'],
  ])('refuses what is none (%#)', (parse, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'UsageError' }))
  })

  it('keeps everything after the first = as the value', () => {
    expect(parsePair('A=b=c')).toEqual(['A', 'b=c'])
  })
})
