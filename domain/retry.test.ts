import { retryDelays } from './retry.js'

const policy = { attempts: 4, backoffMs: 1_000, factor: 3, maxBackoffMs: 10_000 }

describe('a retry policy', () => {
  it('waits longer each time, up to its longest wait', () => {
    expect(retryDelays(policy)).toEqual([1_000, 3_000, 9_000, 10_000])
  })

  it('waits whole milliseconds, whatever the factor', () => {
    expect(retryDelays({ attempts: 6, backoffMs: 10_000, factor: 1.1, maxBackoffMs: 300_000 })).toEqual([
      10_000, 11_000, 12_100, 13_310, 14_641, 16_105,
    ])
  })
})
