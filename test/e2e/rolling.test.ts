/** A rolling restart of every role, one process after another, under load: what an upgrade of the platform is. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { metricsOf } from '../helpers/metrics'
import { connected, startTestPlatform } from '../helpers/platform'

const HOSTS = 4
// Shorter than the shortest grace before SIGKILL: a role that was killed did not drain.
const STOP_MAX_MS = 9_500

describe('a rolling restart of every role under load', () => {
  let platform: Platform
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: HOSTS, gateways: 2, workers: 2, apis: 2 })
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  /** Ends a role as an operator does, by SIGTERM, and starts it again. @returns how long its end took, in ms */
  async function restart(name: string): Promise<number> {
    const child = platform.child(name)
    const from = Date.now()
    await child.stop()
    const tookMs = Date.now() - from
    child.start()
    await child.waitReady()
    return tookMs
  }

  it('serves every metric that docs/operations/alerts.md names', async () => {
    const page = readFileSync(path.join(__dirname, '../../docs/operations/alerts.md'), 'utf8')
    const named = new Set(page.match(/\b(drover|nodejs)_[a-z0-9_]+/g))
    const served = await Promise.all(
      ['api-1', 'worker-1', 'gateway-1'].map((role) => metricsOf(platform, role)),
    )
    expect(named.size).toBeGreaterThan(10)
    // A histogram's HELP and a counter without a value yet name it too.
    expect([...named].filter((name) => !served.join('').includes(name.replace(/_bucket$/, '')))).toEqual([])
    expect(served[1]).toMatch(new RegExp(`drover_hosts\\{state="connected"\\} ${HOSTS}\n`))
  })

  it('fails no run, starts nothing twice and kills no drain', async () => {
    const api = new TestApi(platform)
    const launched: string[] = []
    let done = false
    const load = (async () => {
      for (let n = 0; !done; n++) {
        const step = (name: string, body: string) => ({
          name,
          language: 'sh',
          script: `${effects.line(name)}\n${body}`,
        })
        const steps = [step('first', `sleep ${(n % 5) * 0.7}; seq 200`), step('second', 'echo done')]
        launched.push(await api.launch({ plan: { name: 'rolling', steps }, target: '*' }))
        await pause(300)
      }
    })()
    const roles = ['api-1', 'api-2', 'worker-1', 'worker-2', 'gateway-1', 'gateway-2']
    const stops: Record<string, number> = {}
    try {
      for (const name of [...roles, ...platform.hosts.map((host) => host.name)]) {
        stops[name] = await restart(name)
        await connected(platform, HOSTS)
      }
    } finally {
      done = true
      await load
    }
    process.stdout.write(`${JSON.stringify({ runs: launched.length, stopMs: stops })}\n`)
    for (const id of launched) {
      expect(await api.ended(id, 120_000)).toMatchObject({ state: 'succeeded' })
      const counts = effects.count(id)
      expect(counts.size).toBe(2 * HOSTS)
      expect([...counts.values()].every((count) => count === 1)).toBe(true)
    }
    for (const role of roles) expect(stops[role]).toBeLessThan(STOP_MAX_MS)
  }, 300_000)
})
