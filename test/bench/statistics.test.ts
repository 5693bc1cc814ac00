import { describeRow, makeRow } from './row'
import { percentile, spreadOf } from './statistics'

const hundred = Array.from({ length: 100 }, (_, n) => n + 1)

describe('the figures of the bench', () => {
  it('takes percentiles by nearest rank, whatever the order', () => {
    expect(percentile(hundred.toReversed(), 0.5)).toBe(50)
    expect(percentile(hundred, 0.99)).toBe(99)
    expect(percentile(hundred, 1)).toBe(100)
    expect(percentile([7], 0.5)).toBe(7)
    expect(() => percentile([], 0.5)).toThrow('no samples')
  })

  it('tells how a percentile moved in the course of the measurement', () => {
    expect(spreadOf(hundred, 0.5)).toEqual([10, 90])
    expect(spreadOf([3], 0.5)).toEqual([3, 3])
  })

  it('holds a row to what it must be', () => {
    const base = { name: 'a launch', unit: 'ms', n: 3, hosts: 'real' } as const
    expect(makeRow('g', { ...base, value: 120.04, must: { op: '<=', value: 120 } })).toMatchObject({
      ok: false,
      value: 120,
    })
    expect(makeRow('g', { ...base, value: 21, must: { op: '>=', value: 20 } }).ok).toBe(true)
    const row = makeRow('g', { ...base, value: 1234.56, spread: [0.12345, 2000], aim: 50 })
    expect(row).toMatchObject({ ok: true, value: 1235, spread: [0.123, 2000], fsync: 'all but Temporal' })
    expect(describeRow(row)).toContain('1235 ms')
  })
})
