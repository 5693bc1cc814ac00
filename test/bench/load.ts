/** Fifty clients that launch one run after another, beside what the Temporal server could carry at all. */
import { createDrover } from '../../sdk/index'
import { atLeast, atMost, type Group, onPlatform, percentileRows } from './bench'
import { measureCeiling } from './ceiling/measure'

const CLIENTS = 50
const SECONDS = 60
const WARM_MS = 10_000
const HOSTS = 8

export const load: Group = {
  name: 'load',
  about:
    '50 clients launching one-host runs on 8 real agents for 60 s, beside the ceiling of the Temporal server',
  run: (bench) =>
    onPlatform(bench, { agents: HOSTS }, async (platform) => {
      const ceiling = await measureCeiling(platform, { clients: CLIENTS, seconds: SECONDS / 2 })
      bench.row({
        name: 'the Temporal server: smallest runs (one activity), 50 clients',
        unit: '/s',
        hosts: 'none',
        n: Math.round((ceiling * SECONDS) / 2),
        value: ceiling,
      })
      const drover = createDrover(platform)
      const names = platform.hosts.map((host) => host.name)
      const begin = performance.now() + WARM_MS
      const until = begin + SECONDS * 1_000
      const samples: number[] = []
      const failures: string[] = []
      await Promise.all(
        Array.from({ length: CLIENTS }, async (_, client) => {
          for (let n = client; performance.now() < until; n++) {
            const from = performance.now()
            const { id, state } = await drover.launchAndWait({
              target: `name:${names[n % HOSTS]}`,
              plan: { name: 'load', steps: [{ name: 'only', language: 'sh', script: 'true' }] },
            })
            const now = performance.now()
            if (state !== 'succeeded') failures.push(`r-${id} ${state}`)
            // What ends before or later is no run of these seconds.
            else if (now >= begin && now <= until) samples.push(now - from)
          }
        }),
      )
      bench.row({
        name: `${CLIENTS} clients, one-host runs on ${HOSTS} real agents for ${SECONDS} s`,
        unit: '/s',
        hosts: 'real',
        n: samples.length,
        value: samples.length / SECONDS,
        must: atLeast(20),
        aim: 0.9 * ceiling,
      })
      bench.row({
        name: 'of those, failed',
        unit: 'runs',
        hosts: 'real',
        n: samples.length,
        value: failures.length,
        must: atMost(0),
      })
      const of = { name: 'launch → end under that load', unit: 'ms', hosts: 'real', samples } as const
      percentileRows(bench, of, [{ share: 0.5 }, { share: 0.99 }])
    }),
}
