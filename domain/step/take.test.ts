import { describeTakes, parseWhich, statesOf } from './take.js'

describe('what a step takes of an earlier one', () => {
  it('is all hosts, or those that came to something; failed are those that a retry would take', () => {
    expect(['all', 'failed', 'timed_out', 'well', ''].map(parseWhich)).toEqual([
      'all',
      'failed',
      'timed_out',
      undefined,
      undefined,
    ])
    expect(statesOf('failed')).toEqual(['failed', 'timed_out', 'cancelled', 'rejected', 'offline'])
    expect(statesOf('unknown')).toEqual(['unknown'])
    expect(statesOf('all')).toHaveLength(11)
  })

  it('is said in words, counted from 1', () => {
    expect(
      describeTakes([
        { step: 0, which: 'timed_out' },
        { step: 1, which: 'all' },
      ]),
    ).toBe('timed out hosts of step 1, all hosts of step 2')
  })
})
