/** Upgrades of agents on real processes: good versions, bad ones, and power cuts in the middle of the change. */
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { seeded } from '../../base/seeded'
import { type Fault, makeBundle, SupervisedAgent } from '../helpers/supervised-agent'

const SEED = Number(process.env.DROVER_CHAOS_SEED ?? 11)
// Short, so that the suite is; DROVER_TEST_PROBATION_MS=45000 measures what users get.
const PROBATION_MS = Number(process.env.DROVER_TEST_PROBATION_MS ?? 8_000)

interface HostView {
  id: string
  name: string
  connected: boolean
  agentVersion: string
  upgrade: { version: string; state: string; reason: string | null; detail: string | null } | null
}

const isOpen = (state: string | undefined) => ['pending', 'downloading', 'probation'].includes(state ?? '')

describe('upgrades of agents', () => {
  let platform: Platform
  let api: TestApi
  let pg: Client
  const agents: SupervisedAgent[] = []
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 1 })
    api = new TestApi(platform)
    pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
    const gateway = (await pg.query('select address from gateway')).rows[0].address
    const token = (
      await api.insist<{ token: string }>('POST', '/join-tokens', { uses: 10, labels: { kind: 'u' } })
    ).body.token
    for (const name of ['u-1', 'u-2', 'u-3']) agents.push(new SupervisedAgent({ name, gateway, token }))
    for (const agent of agents) agent.start()
    for (const agent of agents) await until(agent.name, (host) => host.connected)
  }, 180_000)

  afterAll(async () => {
    for (const agent of agents) agent.remove()
    await pg?.end()
    await platform?.close()
    effects.remove()
  }, 60_000)

  async function find(name: string): Promise<HostView | undefined> {
    const { body } = await api.insist<{ items: HostView[] }>('GET', '/hosts?limit=1000')
    return body.items.find((host) => host.name === name)
  }

  async function until(
    name: string,
    isReached: (host: HostView) => boolean,
    forMs = 90_000,
  ): Promise<HostView> {
    for (const end = Date.now() + forMs; ; await pause(100)) {
      const host = await find(name)
      if (host && isReached(host)) return host
      if (Date.now() > end) {
        const agent = agents.find((one) => one.name === name)
        throw new Error(`${name}: ${JSON.stringify(host)}\n${agent?.log.slice(-6_000)}`)
      }
    }
  }

  let uploads = 0
  /** Uploads a bundle under a version of its own, and returns it. */
  async function upload(fault: Fault = 'none', version = `2.${++uploads}.0-${fault}`): Promise<string> {
    const response = await fetch(`${platform.url}/api/v1/scopes/default/agent-bundles?version=${version}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${platform.token}`,
        'idempotency-key': `upload ${version}`,
        'content-type': 'application/octet-stream',
      },
      body: new Uint8Array(makeBundle(version, fault)),
    })
    expect({ status: response.status, text: response.ok ? '' : await response.text() }).toEqual({
      status: 201,
      text: '',
    })
    return version
  }

  async function order(target: string, version: string, more: Record<string, unknown> = {}): Promise<void> {
    const answer = await api.insist('POST', '/hosts/upgrade', {
      target,
      version,
      probationMs: PROBATION_MS,
      ...more,
    })
    expect(answer).toMatchObject({ status: 200 })
  }

  /** Runs a script on the host, to its end. */
  async function runs(name: string, script: string) {
    const id = await api.launch({
      target: `name:${name}`,
      plan: { name, steps: [{ name, language: 'sh', script }] },
    })
    await api.ended(id)
    return (await api.hosts(id))[0]
  }

  it('leave 20 running scripts alone: each ends once, with its true result', async () => {
    const version = await upload()
    const ids: string[] = []
    for (let n = 0; n < 20; n++) {
      const script = `${effects.line('start')}\nsleep 12\necho "done ${n}"\n${effects.line('end')}\nexit ${n % 3}`
      ids.push(
        await api.launch({
          target: 'name:u-1',
          plan: { name: `s${n}`, steps: [{ name: 'only', language: 'sh', script }] },
        }),
      )
    }
    for (const id of ids) await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await order('name:u-1', version)
    const host = await until('u-1', (view) => view.upgrade?.state === 'done')
    expect(host).toMatchObject({ agentVersion: version, connected: true })
    for (const [n, id] of ids.entries()) {
      await api.ended(id)
      const [result] = await api.hosts(id)
      expect(result).toMatchObject({ exitCode: n % 3, state: n % 3 ? 'failed' : 'succeeded', attempt: 1 })
      expect([...effects.count(id).values()]).toEqual([1, 1])
      expect((await api.output(id, host.id)).toString()).toBe(`done ${n}\n`)
    }
  })

  it.each<[Fault, string]>([
    ['crash', 'bundle_crashed'],
    ['hang', 'bundle_no_session'],
    ['nowhere', 'bundle_no_session'],
  ])('go back when the new version would %s, and say so', async (fault, reason) => {
    const before = (await find('u-2'))!.agentVersion
    const version = await upload(fault)
    const from = Date.now()
    await order('name:u-2', version)
    const host = await until(
      'u-2',
      (view) => view.upgrade?.version === version && !isOpen(view.upgrade.state),
    )
    const tookMs = Date.now() - from
    process.stdout.write(
      `upgrade: ${fault} with ${PROBATION_MS} ms of probation: back and told after ${tookMs} ms\n`,
    )
    expect(host).toMatchObject({
      connected: true,
      agentVersion: before,
      upgrade: { state: 'rolled_back', reason },
    })
    expect(tookMs).toBeLessThan(60_000)
    expect(await runs('u-2', 'true')).toMatchObject({ state: 'succeeded' })
    // Nobody tries it again.
    await pause(3_000)
    expect(await find('u-2')).toMatchObject({ agentVersion: before, upgrade: { state: 'rolled_back' } })
  })

  it('refuse a bundle that does not start, before anything is switched', async () => {
    const pid = agents[1]!.agentPid
    const version = await upload('unloadable')
    await order('name:u-2', version)
    const host = await until(
      'u-2',
      (view) => view.upgrade?.version === version && !isOpen(view.upgrade.state),
    )
    expect(host.upgrade).toMatchObject({ state: 'refused', reason: 'bundle_broken' })
    expect(agents[1]!.agentPid).toBe(pid)
  })

  it('refuse bytes that are not those that were signed', async () => {
    const version = await upload()
    await pg.query(`update agent_bundle set content = set_byte(content, 0, 35) where version = $1`, [version])
    await order('name:u-2', version)
    const host = await until(
      'u-2',
      (view) => view.upgrade?.version === version && !isOpen(view.upgrade.state),
    )
    expect(host.upgrade).toMatchObject({ state: 'refused', reason: 'bundle_unavailable' })
  })

  it('are refused by an agent that no supervisor started', async () => {
    const version = await upload()
    await order('name:rack-a-1', version)
    const host = await until('rack-a-1', (view) => view.upgrade !== null && !isOpen(view.upgrade.state))
    expect(host.upgrade).toMatchObject({ state: 'refused', reason: 'capability_missing' })
  })

  it('begin no more hosts of a rollout once too many fell back', async () => {
    const version = await upload('crash')
    await order('kind=u', version, { atOnce: 1 })
    const states: string[] = []
    for (const { name } of agents) {
      const host = await until(
        name,
        (view) => view.upgrade?.version === version && !isOpen(view.upgrade.state),
      )
      states.push(`${host.upgrade?.state} ${host.upgrade?.reason}`)
    }
    expect(states.sort()).toEqual([
      'refused rollout_stopped',
      'refused rollout_stopped',
      'rolled_back bundle_crashed',
    ])
  })

  it(`leave a working agent, and the truth about it, when supervisor or agent are killed in the change (seed ${SEED})`, async () => {
    const random = seeded(SEED)
    const agent = agents[2]!
    const tally: Record<string, number> = {}
    for (let round = 0; round < 14; round++) {
      const version = await upload()
      const before = (await until(agent.name, (host) => host.connected)).agentVersion
      await order(`name:${agent.name}`, version)
      const kills = random() < 0.3 ? 2 : 1
      for (let kill = 0; kill < kills; kill++) {
        await pause(random() * 3_500)
        if (random() < 0.6) agent.killSupervisor()
        if (random() < 0.6) agent.killAgent()
        // As a service manager does.
        await pause(200)
        if (!agent.supervisorRuns) agent.start()
      }
      const host = await until(
        agent.name,
        (view) => view.connected && view.upgrade?.version === version && !isOpen(view.upgrade.state),
      )
      const { state, reason } = host.upgrade!
      const outcome = reason === null ? state : `${state} ${reason}`
      tally[outcome] = (tally[outcome] ?? 0) + 1
      expect(['done', 'rolled_back']).toContain(state)
      const running = await until(agent.name, (view) => view.connected)
      expect(running.agentVersion).toBe(state === 'done' ? version : before)
      expect(await runs(agent.name, 'true')).toMatchObject({ state: 'succeeded' })
    }
    process.stdout.write(`upgrade kills: ${JSON.stringify(tally)}\n`)
  })

  it('survive a stop of the service in the middle', async () => {
    const agent = agents[0]!
    expect(await agent.stop()).toBe(0)
    expect(agent.agentPid).toBeUndefined()
    agent.start()
    await until(agent.name, (host) => host.connected)
    expect(await runs(agent.name, 'true')).toMatchObject({ state: 'succeeded' })
  })
})
