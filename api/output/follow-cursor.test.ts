/** Cursors of follow streams. */
import { decodeFollowCursor, encodeFollowCursor, type FollowState } from './follow-cursor.js'

describe('a follow cursor', () => {
  it('brings back exactly what was told', () => {
    const state: FollowState = new Map([
      ['0/0', { attempt: 1, state: 'succeeded', stdout: 0, stderr: 127, done: true }],
      ['0/199', { attempt: 300, state: 'running', stdout: 999_999_999_999, stderr: 128, done: false }],
      ['1/0', { attempt: 1, state: undefined, stdout: 0, stderr: 0, done: false }],
    ])
    expect(decodeFollowCursor(encodeFollowCursor(state))).toEqual(state)
  })

  it('fits a thousand hosts into a header', () => {
    const told = { attempt: 1, state: 'succeeded', stdout: 60_000, stderr: 0, done: true } as const
    const state: FollowState = new Map(Array.from({ length: 1000 }, (_, i) => [`0/${i}`, told]))
    expect(encodeFollowCursor(state).length).toBeLessThan(14_000)
  })

  it.each(['', 'AA', 'AQE', '_____w', 'hello'])('refuses %j', (cursor) => {
    expect(() => decodeFollowCursor(cursor)).toThrow(expect.objectContaining({ code: 'cursor_invalid' }))
  })
})
