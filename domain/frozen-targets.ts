/** The hosts of a launch: those of the run and, of each step, which of them. */
import type { HostId } from './id.js'
import { compareNatural } from './nodeset.js'
import type { Take } from './step/take.js'

export interface TargetHost {
  id: HostId
  name: string
}

export interface FrozenTargets {
  /** In natural order of their names, each once. */
  hosts: readonly TargetHost[]
  /** Of each step; none of one that takes them of earlier steps. Steps that go to the same hosts have the same object. */
  steps: readonly StepHosts[]
  /** What host lists that scripts import name: names of hosts, by the keys of the lists (step/import.ts). */
  lists: Readonly<Record<string, readonly string[]>>
}

/** Places in the hosts of the run, ascending; none of a step that hosts have no part in. */
export type StepHosts = readonly number[]

/**
 * @param run hosts that the run has beside those of its steps: where none of them has any
 * @param steps the hosts of each step
 */
export function freezeTargets(
  run: readonly TargetHost[],
  steps: readonly (readonly TargetHost[])[],
): FrozenTargets {
  const all = new Map<HostId, TargetHost>()
  for (const list of new Set([run, ...steps])) for (const host of list) all.set(host.id, host)
  const hosts = [...all.values()].sort((a, b) => compareNatural(a.name, b.name))
  const places = new Map(hosts.map((host, place) => [host.id, place]))
  const frozen = new Map<string, StepHosts>()
  const placesOf = (list: readonly TargetHost[]): StepHosts => {
    const found = list.flatMap((host) => places.get(host.id) ?? []).sort((a, b) => a - b)
    const key = found.join()
    const same = frozen.get(key)
    if (!same) frozen.set(key, found)
    return same ?? found
  }
  const byList = new Map([...new Set(steps)].map((list) => [list, placesOf(list)]))
  return { hosts, steps: steps.map((list) => byList.get(list) ?? []), lists: {} }
}

/** The most hosts that each step may go to: of one that takes those of earlier steps, all that these may go to. */
export function mostHosts(
  { steps }: FrozenTargets,
  takes: readonly (readonly Take[] | undefined)[],
): StepHosts[] {
  const most: StepHosts[] = []
  for (const [position, places] of steps.entries()) {
    const sources = [...new Set(takes[position]?.map(({ step }) => most[step] ?? []))]
    const [only, ...others] = sources
    const all = new Set(sources.flat())
    most.push(only === undefined ? places : others.length ? [...all].sort((a, b) => a - b) : only)
  }
  return most
}

/** The different lists, each once, with the positions of the steps that go there. */
export function listsOf({ steps }: FrozenTargets): { hosts: StepHosts; steps: number[] }[] {
  return [...new Set(steps)].map((hosts) => ({
    hosts,
    steps: steps.flatMap((other, position) => (other === hosts ? [position] : [])),
  }))
}
