/** Ten thousand simulated hosts on one gateway: what an idle session costs, and what a step on all of them takes. */
import { createDrover } from '../../sdk/index'
import { Client as EngineClient, Connection } from '@temporalio/client'
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { startSimulated } from '../../stack/platform/simulated'
import { pause } from '../helpers/api'
import { atMost, type Bench, type Group, onPlatform, percentileRows, type Promised } from './bench'
import { startPartTimes } from './part-times'
import { cpuPercent, residentMb } from './process-use'

const ROUNDS = 10
const IDLE_SECONDS = 60
const JOIN_WITHIN_MS = 1_800_000

// Garbage is no part of a session, and how much of it lies about says when it was last collected. SIGWINCH collects; at
// SIGUSR2 Temporal's SDK ends a worker.
const COLLECTING = `--expose-gc --import data:text/javascript,${encodeURIComponent("process.on('SIGWINCH', () => globalThis.gc())")}`

const ONE_GATEWAY = { agents: 0, gateways: 1, env: { gateway: { NODE_OPTIONS: COLLECTING } } }

export const fleet: Group = {
  name: 'fleet',
  about: '`true` on 1,000 and 10,000 simulated hosts, memory and processor time of idle sessions (9 min)',
  run: (bench) =>
    onPlatform(bench, ONE_GATEWAY, async (platform) => {
      const gateway = platform.child('gateway-1').pid ?? 0
      await grow(bench, platform, 'a', 1_000)
      await everywhere(bench, platform, 1_000, [{ share: 0.5, must: atMost(2), aim: 1 }, { share: 1 }])
      const small = await settled(gateway)
      await grow(bench, platform, 'b', 4_000)
      const large = await settled(gateway)
      const perSession = {
        name: 'gateway memory for an idle mTLS session, slope from 1,000 to 5,000',
        unit: 'KB',
        hosts: 'simulated',
        n: 4_000,
      } as const
      const slope = (from: number, to: number) => ((to - from) * 1024) / 4_000
      bench.row({
        ...perSession,
        value: slope(small.collectedMb, large.collectedMb),
        must: atMost(100),
        aim: 87,
      })
      bench.row({
        ...perSession,
        name: `${perSession.name}, with the garbage of both`,
        value: slope(small.residentMb, large.residentMb),
      })
      await grow(bench, platform, 'c', 5_000)
      await pause(30_000)
      bench.row({
        name: `10,000 idle sessions in one gateway, processor time over ${IDLE_SECONDS} s`,
        unit: '% of a core',
        hosts: 'simulated',
        n: 10_000,
        value: await cpuPercent(gateway, IDLE_SECONDS),
        must: atMost(15),
        aim: 5,
      })
      const last = await everywhere(bench, platform, 10_000, [
        { share: 0.5, must: atMost(15), aim: 5 },
        { share: 1 },
      ])
      bench.row({
        name: 'events in the history of a step on 10,000 hosts',
        unit: 'events',
        hosts: 'simulated',
        n: 1,
        value: await historyLength(platform, last),
        must: atMost(120),
        aim: 80,
      })
    }),
}

/** So many more hosts, in a program of their own. */
async function grow(bench: Bench, platform: Platform, name: string, count: number): Promise<void> {
  bench.say(`${count} simulated hosts join and connect`)
  const from = performance.now()
  const more = startSimulated(platform, {
    name,
    groups: [`name=${name},count=${count},latency=0`],
    ramp: 500,
  })
  await more.waitConnected(JOIN_WITHIN_MS)
  bench.say(`${count} hosts joined and connected in ${((performance.now() - from) / 1_000).toFixed(0)} s`)
}

/** Resident memory when nothing has happened for a while, before and after a collection, MiB. */
async function settled(pid: number): Promise<{ residentMb: number; collectedMb: number }> {
  await pause(IDLE_SECONDS * 1_000)
  const before = residentMb(pid)
  process.kill(pid, 'SIGWINCH')
  await pause(3_000)
  return { residentMb: before, collectedMb: residentMb(pid) }
}

/** @returns the last run */
async function everywhere(
  bench: Bench,
  platform: Platform,
  count: number,
  promises: readonly Promised[],
): Promise<string> {
  const drover = createDrover(platform)
  const samples: number[] = []
  let last = ''
  const tellTimes = startPartTimes(platform)
  const bytesBefore = await ledgerBytes(platform)
  for (let n = -1; n < ROUNDS; n++) {
    const from = performance.now()
    const { id } = await drover.launch({
      target: '*',
      confirm: count,
      plan: { name: 'bench', steps: [{ name: 'only', script: 'true' }] },
    })
    for await (const event of drover.watchEvents(id)) void event
    const seconds = (performance.now() - from) / 1_000
    const { steps } = await drover.execution(id)
    if (steps[0]?.counts.succeeded !== count)
      throw new Error(`r-${id} on ${count} hosts: ${JSON.stringify(steps[0]?.counts)}`)
    bench.say(`${count} hosts: ${seconds.toFixed(2)} s`)
    if (n >= 0) samples.push(seconds)
    last = id
    await pause(1_000)
  }
  const name = `\`true\` on ${count.toLocaleString('en')} simulated hosts, launch → end`
  percentileRows(bench, { name, unit: 's', hosts: 'simulated', samples }, promises)
  const of = { n: count * (ROUNDS + 1), hosts: 'simulated' } as const
  tellTimes(bench, { what: `a host of a step on ${count.toLocaleString('en')}`, ...of })
  bench.row({
    name: `growth of the ledger for a host of a step on ${count.toLocaleString('en')}`,
    unit: 'bytes',
    ...of,
    value: ((await ledgerBytes(platform)) - bytesBefore) / of.n,
  })
  return last
}

async function ledgerBytes(platform: Platform): Promise<number> {
  const client = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] ?? '' })
  await client.connect()
  try {
    const result = await client.query<{ bytes: string }>(
      'select pg_database_size(current_database()) as bytes',
    )
    return Number(result.rows[0]?.bytes)
  } finally {
    await client.end()
  }
}

async function historyLength(platform: Platform, executionId: string): Promise<number> {
  const connection = await Connection.connect({ address: platform.env['DROVER_TEMPORAL_ADDRESS'] ?? '' })
  try {
    const handle = new EngineClient({ connection }).workflow.getHandle(`execution/default/${executionId}`)
    return (await handle.describe()).historyLength
  } finally {
    await connection.close()
  }
}
