import { freezeTargets, listsOf, mostHosts } from './frozen-targets.js'
import type { HostId } from './id.js'

const host = (n: number) => ({ id: String(n) as HostId, name: `web-${n}` })
const names = (frozen: ReturnType<typeof freezeTargets>, step: number) =>
  frozen.steps[step]?.map((place) => frozen.hosts[place]?.name)

describe('frozen targets', () => {
  it('are the hosts of all steps, each once, in natural order; and of each step the places of its own', () => {
    const frozen = freezeTargets([], [[host(10), host(2)], [host(2)], [], [host(1), host(10)]])
    expect(frozen.hosts.map(({ name }) => name)).toEqual(['web-1', 'web-2', 'web-10'])
    expect(frozen.steps.map((_, step) => names(frozen, step))).toEqual([
      ['web-2', 'web-10'],
      ['web-2'],
      [],
      ['web-1', 'web-10'],
    ])
  })

  it('hold what is the same once', () => {
    const all = [host(1), host(2)]
    const frozen = freezeTargets([], [all, [host(1)], [host(2), host(1)], []])
    expect(frozen.steps[2]).toBe(frozen.steps[0])
    expect(listsOf(frozen)).toEqual([
      { hosts: [0, 1], steps: [0, 2] },
      { hosts: [0], steps: [1] },
      { hosts: [], steps: [3] },
    ])
  })

  it('say at most where a step may go that takes hosts of earlier ones', () => {
    const frozen = freezeTargets([], [[host(1), host(2)], [host(3)], [], [], []])
    const takes = [undefined, undefined, [0], [0, 1], [2]].map((steps) =>
      steps?.map((step) => ({ step, which: 'all' as const })),
    )
    expect(mostHosts(frozen, takes)).toEqual([[0, 1], [2], [0, 1], [0, 1, 2], [0, 1]])
  })

  it('have the hosts of a run whose steps have none', () => {
    expect(freezeTargets([host(1)], [[]])).toEqual({ hosts: [host(1)], steps: [[]], lists: {} })
  })
})
