import { readScript } from './script.js'

describe('the shell of a simulated host', () => {
  it.each([
    ['true', 0, 0],
    ['false', 0, 1],
    ['exit 3', 0, 3],
    ['sleep 1.5; exit 2; sleep 9', 1_500, 2],
    ['false\ntrue', 0, 0],
    ['false\nexit', 0, 1],
    ['#!/bin/sh\nrm -rf /\nreboot', 0, 0],
  ])('reads %j', (text, durationMs, exitCode) => {
    expect(readScript(Buffer.from(text))).toMatchObject({ durationMs, exitCode })
  })

  it('says what echo says, where and when', () => {
    expect(readScript(Buffer.from('echo one\nsleep 2\necho "two words" >&2')).steps).toEqual([
      { atMs: 0, stream: 'stdout', text: 'one\n' },
      { atMs: 2_000, stream: 'stderr', text: 'two words\n' },
    ])
  })

  it('says no more than a record can hold', () => {
    const { steps } = readScript(Buffer.from('echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n'.repeat(1_000)))
    expect(steps.reduce((sum, { text }) => sum + text.length, 0)).toBe(4_096)
  })
})
