/** Processor time that the parts of a platform take for a piece of work: steadier than any time where others use the machine. */
import type { Platform } from '../../stack/platform/platform'
import type { Bench } from './bench'
import { cpuSecondsOfTree } from './process-use'
import type { Measured } from './row'

const controlPlane = ['api-1', 'worker-1', 'gateway-1', 'postgres', 'mongo', 'temporal']

/**
 * Reads the clocks of the control plane and of `others` now.
 * @returns what tells, with a row each, how much they have moved for each of `n` pieces of work
 */
export function startPartTimes(platform: Platform, others: readonly string[] = []) {
  const pids = [...controlPlane, ...others].map((name) => ({ name, pid: platform.child(name).pid ?? 0 }))
  const before = pids.map(({ pid }) => cpuSecondsOfTree(pid))
  return (bench: Bench, work: { what: string; n: number; hosts: Measured['hosts'] }) => {
    for (const [index, { name, pid }] of pids.entries())
      bench.row({
        name: `processor time of ${name} for ${work.what}`,
        unit: 'ms',
        hosts: work.hosts,
        n: work.n,
        value: ((cpuSecondsOfTree(pid) - (before[index] ?? 0)) * 1_000) / work.n,
      })
  }
}
