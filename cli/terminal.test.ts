/** What reaches an operator's terminal. */
import { harmless } from './terminal.js'

describe('harmless', () => {
  it.each([
    ['plain text\twith a tab\n', 'plain text\twith a tab\n'],
    ['\u001b[31mred', '\\x1b[31mred'],
    ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['progress\r100%', 'progress100%'],
    ['\u009b31m', '\\x9b31m'],
    ['grüße 😀', 'grüße 😀'],
  ])('makes %j safe', (text, safe) => {
    expect(harmless(text)).toBe(safe)
  })
})
