/** Plans and what is asked of runs: steps after steps, previews, operations on a large run, groups, searches. */
import { createDrover, type Drover, type Launch } from '../../sdk/index'
import type { Platform } from '../../stack/platform/platform'
import { startSimulated } from '../../stack/platform/simulated'
import { pause } from '../helpers/api'
import { atMost, type Bench, type Group, onPlatform, percentileRows } from './bench'

const ROUNDS = 15
const MORE_STEPS = 10
const OPERATIONS = 100
const JOIN_WITHIN_MS = 1_800_000

export const plans: Group = {
  name: 'plans',
  about:
    'a further step, 20 steps on 1,000 simulated hosts, preview, groups and operations on 10,000, search in 1 GB (6 min)',
  async run(bench) {
    await onPlatform(bench, { agents: 1 }, (platform) => furtherStep(bench, createDrover(platform)))
    await onPlatform(bench, { agents: 0, gateways: 1 }, async (platform) => {
      const drover = createDrover(platform)
      await join(bench, platform, 'name=a,count=1000,latency=0')
      await manySteps(bench, drover)
      await join(bench, platform, 'name=wordy,count=1000,latency=0,output=1m')
      await search(bench, drover)
      await join(bench, platform, 'name=slow,count=8000,latency=30s,output=4k,noise=yes')
      await join(bench, platform, 'name=quick,count=2000,latency=0,output=4k,noise=yes')
      await preview(bench, drover)
      await operateLarge(bench, drover)
    })
  },
}

const stepsOf = (count: number, script = 'true') =>
  Array.from({ length: count }, (_, n) => ({ name: `step ${n + 1}`, script }))
const launchOf = (target: string, confirm: number, steps: object[]): Launch =>
  ({ target, confirm, plan: { name: 'bench', steps } }) as Launch

/** @returns seconds from the launch to the end seen by SSE */
async function timed(drover: Drover, launch: Launch): Promise<number> {
  const from = performance.now()
  const { id } = await drover.launch(launch)
  for await (const event of drover.watchEvents(id)) void event
  const took = (performance.now() - from) / 1_000
  const { state } = await drover.execution(id)
  if (state !== 'succeeded') throw new Error(`r-${id} ${state}`)
  return took
}

async function furtherStep(bench: Bench, drover: Drover): Promise<void> {
  const samples: number[] = []
  for (let n = -2; n < ROUNDS; n++) {
    const one = await timed(drover, launchOf('*', 1, stepsOf(1)))
    const more = await timed(drover, launchOf('*', 1, stepsOf(1 + MORE_STEPS)))
    if (n >= 0) samples.push(((more - one) * 1_000) / MORE_STEPS)
    await pause(300)
  }
  const of = { name: 'each further script step of a plan, one host', unit: 'ms', samples } as const
  percentileRows(bench, { ...of, hosts: 'real' }, [{ share: 0.5, must: atMost(60), aim: 30 }, { share: 1 }])
}

async function join(bench: Bench, platform: Platform, group: string): Promise<void> {
  const name = /name=(\w+)/.exec(group)?.[1] ?? 'group'
  bench.say(`simulated hosts join: ${group}`)
  const more = startSimulated(platform, { name, groups: [group], ramp: 500 })
  await more.waitConnected(JOIN_WITHIN_MS)
}

async function manySteps(bench: Bench, drover: Drover): Promise<void> {
  const samples = []
  for (let n = 0; n < 3; n++) samples.push(await timed(drover, launchOf('group=a', 1_000, stepsOf(20))))
  const of = { name: '20 steps of `true` on 1,000 simulated hosts', unit: 's', samples } as const
  percentileRows(bench, { ...of, hosts: 'simulated' }, [{ share: 0.5, must: atMost(40), aim: 15 }])
}

async function search(bench: Bench, drover: Drover): Promise<void> {
  const { id } = await drover.launch(launchOf('group=wordy', 1_000, stepsOf(1, 'echo needle')))
  for await (const event of drover.watchEvents(id)) void event
  // What is left of the output comes after the verdicts.
  await pause(30_000)
  const first: number[] = []
  for (let n = 0; n < ROUNDS; n++) first.push(await firstHits(drover, id))
  const of = {
    name: 'first hits of a word in a run of 1 GB, 1,000 hosts',
    unit: 's',
    samples: first,
  } as const
  percentileRows(bench, { ...of, hosts: 'simulated' }, [
    { share: 0.5, must: atMost(2), aim: 0.5 },
    { share: 1 },
  ])
  const from = performance.now()
  let hosts = 0
  let bytes = 0
  for await (const page of drover.countMatches(id, { text: 'needle' })) {
    hosts += page.items.length
    bytes += page.searched.bytes
  }
  if (hosts !== 1_000) throw new Error(`the word was found on ${hosts} hosts`)
  bench.row({
    name: 'lines of all hosts of that run counted',
    unit: 'MB/s',
    hosts: 'simulated',
    n: 1,
    value: bytes / 1e6 / ((performance.now() - from) / 1_000),
  })
}

async function firstHits(drover: Drover, id: string): Promise<number> {
  const from = performance.now()
  for await (const page of drover.searchOutput(id, { text: 'needle', limit: 10 }))
    if (page.items.length) return (performance.now() - from) / 1_000
  throw new Error('the word was not found')
}

async function preview(bench: Bench, drover: Drover): Promise<void> {
  const samples: number[] = []
  for (let n = -1; n < ROUNDS; n++) {
    const from = performance.now()
    const { hosts } = await drover.preview(launchOf('group in (slow,quick)', 10_000, stepsOf(5)))
    if (hosts !== 10_000) throw new Error(`the preview is of ${hosts} hosts`)
    if (n >= 0) samples.push((performance.now() - from) / 1_000)
  }
  const of = { name: 'preview of a plan on 10,000 hosts', unit: 's', samples } as const
  percentileRows(bench, { ...of, hosts: 'simulated' }, [
    { share: 0.5, must: atMost(1), aim: 0.3 },
    { share: 1 },
  ])
}

async function operateLarge(bench: Bench, drover: Drover): Promise<void> {
  const { id } = await drover.launch(launchOf('group in (slow,quick)', 10_000, stepsOf(1)))
  await pause(3_000)
  const samples: number[] = []
  for (let n = 0; n < OPERATIONS; n++) {
    const from = performance.now()
    await drover.operate(id, { kind: n % 2 ? 'resume' : 'pause' })
    samples.push((performance.now() - from) / 1_000)
  }
  const of = { name: 'an operation answered during a step on 10,000 hosts', unit: 's', samples } as const
  percentileRows(bench, { ...of, hosts: 'simulated' }, [
    { share: 0.5 },
    { share: 0.99, must: atMost(1), aim: 0.2 },
  ])
  for await (const event of drover.watchEvents(id)) void event
  await groups(bench, drover, id)
}

async function groups(bench: Bench, drover: Drover, id: string): Promise<void> {
  const samples: number[] = []
  for (let n = -1; n < ROUNDS; n++) {
    const from = performance.now()
    const found = await drover.outputGroups(id, 0)
    // Each host wrote a time, a pid, an id and its name that no other has.
    if (found.length !== 1 || found[0]?.hosts !== 10_000)
      throw new Error(`the hosts are in ${found.length} groups`)
    if (n >= 0) samples.push((performance.now() - from) / 1_000)
  }
  const of = { name: "10,000 hosts' output of 4 KB each in groups", unit: 's', samples } as const
  percentileRows(bench, { ...of, hosts: 'simulated' }, [{ share: 0.5, must: atMost(2) }, { share: 1 }])
}
