/** One script that prints half a gigabyte: kept whole, in bounded memory, and without anybody else waiting for it. */
import { createHash } from 'node:crypto'
import { createDrover, type Drover } from '../../sdk/index'
import type { Platform } from '../../stack/platform/platform'
import { pause } from '../helpers/api'
import { metricsOf, valueOf } from '../helpers/metrics'
import { atLeast, atMost, type Bench, type Group, onPlatform, percentileRows } from './bench'
import { startPartTimes } from './part-times'
import { highWater } from './process-use'

const BYTES = 500_000_000
const READ_BYTES = 100_000_000
const PART_BYTES = 10_000_000
const LINE =
  'a line of output, as long as those that programs write into their logs, with a number at its end: 42'
// The 99th percentile of a hundred is its second worst, one hiccup of the machine; of three hundred it is the fourth worst.
const PROBES = 300
const FLOODS = 3
const READS = 5

export const output: Group = {
  name: 'output',
  about:
    '500 MB printed by one script, again and again: rate, memory, and what others feel of it; 100 MB read back',
  run: (bench) =>
    onPlatform(bench, { agents: 2 }, async (platform) => {
      const drover = createDrover(platform)
      const [chatty = '', quiet = ''] = platform.hosts.map((host) => host.name)
      const idle = await answerP99(platform, drover, quiet)
      const { hostId, executionId, ...flood } = await print(bench, platform, drover, { chatty, quiet })
      for (const [when, p99] of Object.entries({ idle, meanwhile: flood.meanwhile }))
        bench.row({
          name: `dispatch p99 of another host, ${when}`,
          unit: 'ms',
          hosts: 'real',
          n: PROBES,
          value: p99 * 1e3,
        })
      bench.row({
        name: 'dispatch p99 of another host meanwhile, over idle',
        unit: '×',
        hosts: 'real',
        n: PROBES,
        value: flood.meanwhile / idle,
        must: atMost(3),
        aim: 1.5,
      })
      await readBack(bench, drover, { executionId, hostId })
    }),
}

interface Flood {
  executionId: string
  hostId: string
  /** The 99th percentile of answers, s. */
  meanwhile: number
}

/** One flood after another until all launches on the quiet host are measured. */
async function print(
  bench: Bench,
  platform: Platform,
  drover: Drover,
  { chatty, quiet }: { chatty: string; quiet: string },
): Promise<Flood> {
  const pids = {
    gateway: platform.child('gateway-1').pid ?? 0,
    api: platform.child('api-1').pid ?? 0,
  }
  const tellTimes = startPartTimes(platform, [chatty])
  let isMeasured = false
  const rates: number[] = []
  const floods = (async () => {
    let last = { executionId: '', hostId: '' }
    while (rates.length < FLOODS || !isMeasured) {
      const from = performance.now()
      const { id } = await drover.launch(printing(chatty))
      last = { executionId: id, hostId: await untilKept(drover, id) }
      rates.push(BYTES / 1e3 / (performance.now() - from))
    }
    return last
  })()
  floods.catch(() => undefined)
  // The order of the first flood is not measured; those of the others are a handful among three hundred.
  await pause(1_000)
  const [{ result, roseMb }, meanwhile] = await Promise.all([
    highWater(pids, floods),
    answerP99(platform, drover, quiet).finally(() => {
      isMeasured = true
    }),
  ])
  const name = `one script printing ${BYTES / 1e6} MB, launch → kept whole`
  percentileRows(bench, { name, unit: 'MB/s', hosts: 'real', samples: rates }, [
    { share: 0.5, must: atLeast(20), aim: 60 },
  ])
  const n = (BYTES / 1e6) * rates.length
  tellTimes(bench, { what: 'a MB of output, with the launches beside it', n, hosts: 'real' })
  for (const [part, value] of Object.entries(roseMb))
    bench.row({
      name: `memory of the ${part} meanwhile, rise`,
      unit: 'MB',
      hosts: 'real',
      n: rates.length,
      value,
      must: atMost(50),
    })
  return { ...result, meanwhile }
}

const printing = (host: string) => ({
  target: `name:${host}`,
  plan: {
    name: 'flood',
    steps: [{ name: 'only', language: 'sh' as const, script: `yes '${LINE}' | head -c ${BYTES}` }],
  },
})

/** @returns the host, when its whole output can be read */
async function untilKept(drover: Drover, executionId: string): Promise<string> {
  for await (const event of drover.watchEvents(executionId)) void event
  for await (const { hostId, state } of drover.executionHosts(executionId, 0)) {
    if (state !== 'succeeded') throw new Error(`r-${executionId} ${state}`)
    const place = { executionId, step: 0, hostId, stream: 'stdout' } as const
    for (;;) {
      const { total, complete, truncated } = await drover.readOutput(place, { from: 0, last: 0 })
      if (truncated) throw new Error('the output was cut')
      if (complete && total === BYTES) return hostId
      await pause(100)
    }
  }
  throw new Error('there is no host')
}

/** What an agent takes to answer an order: the 99th percentile, s, over the launches on its host. */
async function answerP99(platform: Platform, drover: Drover, host: string): Promise<number> {
  await metricsOf(platform, 'gateway-1')
  for (let n = 0; n < PROBES; n++) {
    await drover.launchAndWait({
      target: `name:${host}`,
      plan: { name: 'probe', steps: [{ name: 'only', script: 'true' }] },
    })
  }
  const metrics = await metricsOf(platform, 'gateway-1')
  return valueOf(metrics, 'drover_gateway_answer_seconds{quantile="0.99"}')
}

async function readBack(
  bench: Bench,
  drover: Drover,
  of: { executionId: string; hostId: string },
): Promise<void> {
  const place = { ...of, step: 0, stream: 'stdout' } as const
  const expected = createHash('sha256')
    .update(
      Buffer.from(`${LINE}\n`.repeat(Math.ceil(READ_BYTES / (LINE.length + 1)))).subarray(0, READ_BYTES),
    )
    .digest('hex')
  const rates: number[] = []
  while (rates.length < READS) {
    const hash = createHash('sha256')
    const from = performance.now()
    for (let at = 0; at < READ_BYTES; at += PART_BYTES)
      hash.update((await drover.readOutput(place, { from: at, last: at + PART_BYTES - 1 })).bytes)
    rates.push(READ_BYTES / 1e3 / (performance.now() - from))
    if (hash.digest('hex') !== expected) throw new Error('what was read back is not what was written')
  }
  const name = `${READ_BYTES / 1e6} MB of output read back through the API`
  percentileRows(bench, { name, unit: 'MB/s', hosts: 'real', samples: rates }, [
    { share: 0.5, must: atLeast(50), aim: 100 },
  ])
}
