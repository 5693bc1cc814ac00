import fc from 'fast-check'
import type { HostId } from './id.js'
import { shareLimit, splitShards } from './shard.js'

const hosts = (n: number, gateway = 'a') =>
  Array.from({ length: n }, (_, i) => ({ hostId: `${gateway}${i}` as HostId, gateway }))

describe('shards', () => {
  it('hold the hosts of one gateway each, at most so many', () => {
    const shards = splitShards([...hosts(5, 'a'), ...hosts(2, 'b')], 3)
    expect(shards.map((shard) => [shard.gateway, shard.hostIds.length])).toEqual([
      ['a', 3],
      ['a', 2],
      ['b', 2],
    ])
  })

  it('hold hosts of one task each', () => {
    const tasks = hosts(4).map((host, index) => ({ ...host, task: index % 2 ? 'edited' : '' }))
    expect(splitShards(tasks).map((shard) => shard.hostIds)).toEqual([
      ['a0', 'a2'],
      ['a1', 'a3'],
    ])
  })

  it('lose no host and hold none twice', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        (gateways, max) => {
          const all = gateways.map((gateway, i) => ({ hostId: String(i) as HostId, gateway }))
          const held = splitShards(all, max).flatMap((shard) => shard.hostIds)
          expect(held.sort()).toEqual(all.map((host) => host.hostId).sort())
        },
      ),
    )
  })
})

describe('the limit of a step, shared', () => {
  const waiting = (sizes: readonly number[]) => sizes.map((size) => ({ hosts: size, underWay: 0 }))
  const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0)

  it.each([
    [10, [3, 4], [3, 4]],
    [4, [4, 4], [2, 2]],
    [1, [5, 5], [1, 0]],
    [0, [5], [0]],
    [-1, [5], [0]],
    [3, [1, 1, 8], [1, 1, 1]],
  ])('%d over %j is %j', (limit, sizes, shares) => {
    expect(shareLimit(limit, waiting(sizes))).toEqual(shares)
  })

  it.each([
    ['a place each, also beyond the limit', 1, [2, 1], [2, 1]],
    ['and others the rest', 5, [2, 1], [3, 2]],
    ['and one shard of theirs alone', 2, [2, 0], [2, 0]],
  ])('gives hosts that are under way %s', (_what, limit, underWay, shares) => {
    expect(
      shareLimit(
        limit,
        underWay.map((n) => ({ hosts: 4, underWay: n })),
      ),
    ).toEqual(shares)
  })

  it('is used up and never passed', () => {
    const shard = fc
      .tuple(fc.integer({ min: 1, max: 20 }), fc.nat(20))
      .map(([hosts, n]) => ({ hosts, underWay: Math.min(hosts, n) }))
    fc.assert(
      fc.property(fc.nat(90), fc.array(shard, { minLength: 1, maxLength: 8 }), (limit, sizes) => {
        const shares = shareLimit(limit, sizes)
        const [hosts, underWay] = [
          total(sizes.map((size) => size.hosts)),
          total(sizes.map((size) => size.underWay)),
        ]
        expect(total(shares)).toBe(Math.max(underWay, Math.min(limit, hosts)))
        expect(shares.every((share, i) => share <= sizes[i]!.hosts && share >= sizes[i]!.underWay)).toBe(true)
      }),
    )
  })
})
