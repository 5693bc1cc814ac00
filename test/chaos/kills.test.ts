/** Thirty seeded kills of every part in mid-run: nothing runs twice, nothing is lost, nothing hangs. */
import { createHash } from 'node:crypto'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { seeded } from '../helpers/random'

const SEED = Number(process.env.DROVER_CHAOS_SEED ?? 7)
const KILLS = Number(process.env.DROVER_CHAOS_KILLS ?? 30)
const HOSTS = 8

interface Launched {
  id: string
  shape: string
}

const chatter = (lines: number) =>
  `i=0; while [ $i -lt ${lines} ]; do echo "line $i of some output that is long enough to matter"; i=$((i+1)); done`
const chatterHash = (lines: number) => {
  const text = Array.from(
    { length: lines },
    (_, i) => `line ${i} of some output that is long enough to matter\n`,
  ).join('')
  return createHash('sha256').update(text).digest('hex')
}

function shapes(effects: Effects, random: () => number): { shape: string; plan: Record<string, unknown> }[] {
  const step = (name: string, body: string, more: Record<string, unknown> = {}) => ({
    name,
    language: 'sh',
    script: `${effects.line('start')}\n${body}\n${effects.line('end')}`,
    ...more,
  })
  const seconds = (1 + random() * 4).toFixed(1)
  return [
    { shape: 'short', plan: { name: 'short', steps: [step('short', 'echo hi')] } },
    { shape: 'long', plan: { name: 'long', steps: [step('long', `sleep ${seconds}`)] } },
    { shape: 'chatty', plan: { name: 'chatty', steps: [step('chatty', chatter(2_000))] } },
    {
      shape: 'forking',
      plan: { name: 'forking', steps: [step('forking', '(sleep 0.3; true) & (sleep 0.2; true) & wait')] },
    },
    {
      shape: 'steps',
      plan: { name: 'steps', steps: [step('one', 'sleep 0.5'), step('two', 'echo two', { concurrency: 3 })] },
    },
    {
      shape: 'failing',
      plan: {
        name: 'failing',
        steps: [step('failing', 'echo bad >&2', { onFailure: 'ignore' }), step('after', 'true')],
      },
    },
  ]
}

describe(`${KILLS} kills with seed ${SEED}`, () => {
  let platform: Platform
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: HOSTS, gateways: 2 })
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  /**
   * Kills one part after another, each kind as often as the others, in an order and at moments that the seed decides.
   * No part more often than the supervisor bears: five deaths within a minute would keep it down, as they should.
   */
  async function killAll(random: () => number): Promise<string[]> {
    const killed: { name: string; at: number }[] = []
    const bears = (name: string) =>
      killed.filter((kill) => kill.name === name && Date.now() - kill.at < 65_000).length < 3
    let round: string[] = []
    while (killed.length < KILLS) {
      await pause(1_500 + random() * 1_500)
      if (!round.length) {
        const agent = platform.hosts[Math.floor(random() * HOSTS)]?.name ?? ''
        round = ['gateway-1', 'gateway-2', 'worker-1', 'api-1', 'temporal', 'postgres', agent]
      }
      const [name] = round.splice(Math.floor(random() * round.length), 1)
      const pid = name && bears(name) && platform.child(name).pid
      if (!name || !pid) continue
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It died with another part this very moment, and is being restarted: not a kill of ours.
        continue
      }
      killed.push({ name, at: Date.now() })
    }
    return killed.map((kill) => kill.name)
  }

  it('leaves no double run, no lost result and no hang', async () => {
    const random = seeded(SEED)
    const api = new TestApi(platform)
    const launched: Launched[] = []
    let done = false
    const load = (async () => {
      for (let n = 0; !done; n++) {
        const all = shapes(effects, random)
        const { shape, plan } = all[n % all.length]!
        launched.push({ id: await api.launch({ plan, target: '*' }), shape })
        await pause(400)
      }
    })()
    const [killed] = await Promise.all([killAll(random).finally(() => (done = true)), load])
    const tally = {
      kills: killed.length,
      runs: launched.length,
      starts: 0,
      doubleRuns: 0,
      silentLosses: 0,
      hangs: 0,
      outputMismatches: 0,
      unknowns: 0,
    }
    const faults: unknown[] = []
    const deadline = Date.now() + 150_000
    for (const { id, shape } of launched) {
      const view = await api.ended(id, Math.max(1_000, deadline - Date.now())).catch((error: Error) => {
        tally.hangs++
        faults.push(error.message)
        return undefined
      })
      if (!view) continue
      const counts = effects.count(id)
      for (const step of view.steps) {
        for (const host of await api.hosts(id, step.position)) {
          const starts = counts.get(`start ${id} ${step.id} ${host.hostId}`) ?? 0
          const ends = counts.get(`end ${id} ${step.id} ${host.hostId}`) ?? 0
          tally.starts += starts
          if (starts > 1) tally.doubleRuns++
          if (host.state === 'unknown') tally.unknowns++
          if (host.state !== 'succeeded' || starts !== 1 || ends !== 1) {
            tally.silentLosses++
            faults.push({ id, shape, step: step.position, host, starts, ends })
          }
          if (shape === 'chatty') {
            const hash = createHash('sha256')
              .update(await api.output(id, host.hostId, 'stdout', step.position))
              .digest('hex')
            if (hash !== chatterHash(2_000)) {
              tally.outputMismatches++
              faults.push({ id, shape, host, hash })
            }
          }
        }
      }
    }
    process.stdout.write(`chaos: ${JSON.stringify(tally)}\n`)
    if (faults.length) process.stdout.write(`chaos faults: ${JSON.stringify(faults.slice(0, 10), null, 1)}\n`)
    expect(tally).toMatchObject({
      kills: KILLS,
      doubleRuns: 0,
      silentLosses: 0,
      hangs: 0,
      outputMismatches: 0,
      unknowns: 0,
    })
    expect(tally.starts).toBeGreaterThan(launched.length * HOSTS * 0.99)
  })
})
