/** Scenario 17: a gateway dies with 250 hosts on it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pause } from '../helpers/api'
import { eventually, Scene } from '../helpers/scene'

const HOSTS = 250
const BACK_WITHIN_MS = 30_000

describe('a gateway that dies', () => {
  let scene: Scene
  let simulator: ChildProcess | undefined
  const state = mkdtempSync(path.join(tmpdir(), 'drover-simulated-'))

  beforeAll(async () => {
    scene = await Scene.start({ gateways: 2 })
    const gateways = [await scene.gateway('gateway-1'), await scene.gateway('gateway-2')]
    const program = path.join(__dirname, '../../dist/agent/simulate/main.js')
    const flags = ['--agents', String(HOSTS), '--state', state, '--gateways', gateways.join(',')]
    simulator = spawn(process.execPath, [program, ...flags], {
      env: { PATH: process.env['PATH'], DROVER_URL: scene.platform.url, DROVER_TOKEN: scene.platform.token },
      stdio: 'ignore',
    })
    await eventually(
      'all are connected',
      async () => ((await connected()) === HOSTS ? true : undefined),
      90_000,
    )
  }, 180_000)

  afterAll(async () => {
    if (simulator?.exitCode === null) {
      const gone = new Promise((resolve) => simulator?.once('exit', resolve))
      simulator.kill('SIGKILL')
      await gone
    }
    await scene?.close()
    rmSync(state, { recursive: true, force: true })
  }, 60_000)

  async function connected(): Promise<number> {
    const { body } = await scene.api.insist<{ items: { connected: boolean }[] }>('GET', '/hosts?limit=1000')
    return body.items.filter((host) => host.connected).length
  }

  /** Hosts with a session that began later: the dead gateway's own count as live until it is missed. */
  async function connectedSince(at: number): Promise<number> {
    const { rows } = await scene.pool.query<{ n: number }>(
      'select count(*)::int as n from agent_session where disconnected_at is null and connected_at > $1',
      [new Date(at)],
    )
    return rows[0]?.n ?? 0
  }

  const launch = (name: string, script: string) =>
    scene.api.launch({
      target: '*',
      confirm: HOSTS,
      plan: { name, steps: [{ name: 'only', language: 'sh', script }] },
    })

  /** Starts by dispatch id, as the simulated hosts wrote them down. */
  function starts(id: string): Map<string, number> {
    const counts = new Map<string, number>()
    for (const file of readdirSync(state, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('starts.log')) continue
      for (const line of readFileSync(path.join(state, file), 'utf8').trim().split('\n')) {
        const [, , dispatch = '', execution] = line.split(' ')
        if (execution === id) counts.set(dispatch, (counts.get(dispatch) ?? 0) + 1)
      }
    }
    return counts
  }

  it('scenario 17: with 250 hosts: all are back within 30 s, none is offline, every script has run once', async () => {
    const running = await launch('running', 'sleep 6')
    await scene.api.until(running, (view) => (view.steps[0]?.counts['running'] ?? 0) > HOSTS / 2)
    scene.platform.child('gateway-1').kill('SIGKILL')
    const killedAt = Date.now()
    const begun = await launch('begun in the gap', 'true')
    let backMs: number | undefined
    for (let over = false; !over || backMs === undefined; await pause(200)) {
      const views = [await scene.api.get(running), await scene.api.get(begun)]
      for (const view of views) {
        expect(view.steps[0]?.counts['offline'] ?? 0).toBe(0)
        expect(view.steps[0]?.counts['unknown'] ?? 0).toBe(0)
      }
      over = views.every((view) => view.state === 'succeeded')
      if (backMs === undefined && (await connectedSince(killedAt)) === HOSTS) backMs = Date.now() - killedAt
      expect(Date.now() - killedAt).toBeLessThan(90_000)
    }
    process.stdout.write(`scenario 17: ${HOSTS} hosts back after ${backMs} ms\n`)
    expect(backMs).toBeLessThan(BACK_WITHIN_MS)
    for (const id of [running, begun]) {
      expect((await scene.api.get(id)).steps[0]?.counts).toEqual({ succeeded: HOSTS })
      const counts = starts(id)
      expect(counts.size).toBe(HOSTS)
      expect([...counts.values()].every((n) => n === 1)).toBe(true)
    }
  }, 150_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
