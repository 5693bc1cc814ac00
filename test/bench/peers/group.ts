/** Salt, Ansible and parallel-ssh on the hosts of this machine, one after another, and how far Drover is ahead of each. */
import type { Bench, Group } from '../bench'
import { ansible } from './ansible'
import { settle } from './calm'
import type { Peer } from './caller'
import { drover } from './drover'
import { type Medians, measureCaller } from './measure'
import { parallelSsh } from './parallel-ssh'
import { ratioRows } from './ratio'
import { salt } from './salt'

const others: readonly Peer[] = [salt, ansible, parallelSsh]

export const peers: Group = {
  name: 'peers',
  about:
    'Salt, Ansible and parallel-ssh beside Drover on 1, 10 and 50 hosts (DROVER_BENCH_SIZES=1,10 DROVER_BENCH_PEERS=salt for less)',
  async run(bench) {
    const sizes = (process.env['DROVER_BENCH_SIZES'] ?? '1,10,50').split(',').map(Number)
    const wanted = process.env['DROVER_BENCH_PEERS']?.split(',')
    const [ours] = (await measurePeer(bench, drover, sizes)).values()
    for (const peer of others) {
      if (wanted && !wanted.includes(peer.id)) continue
      for (const [caller, theirs] of await measurePeer(bench, peer, sizes))
        ratioRows(bench, { caller, theirs, ours: ours ?? new Map(), peer })
    }
  },
}

/** @returns what each of its faces took */
async function measurePeer(
  bench: Bench,
  peer: Peer,
  sizes: readonly number[],
): Promise<Map<string, Medians>> {
  const all = new Map<string, Medians>()
  bench.say(`${peer.id} is started`)
  const fleet = await peer.start(bench, Math.max(...sizes))
  try {
    for (const caller of fleet.callers)
      all.set(caller.name, await measureCaller(bench, caller, { sizes, strict: peer === drover }))
  } finally {
    await fleet.close()
  }
  await settle(bench)
  return all
}
