/** N and N−1: an agent of the part before, as it was kept, works with the control plane of today. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { connected, startTestPlatform } from '../helpers/platform'

const kept = path.join(__dirname, '../fixtures/agents/part-1')
const about = JSON.parse(readFileSync(`${kept}.json`, 'utf8')) as {
  commit: string
  version: string
  sha256: string
  bytes: number
}

describe(`the agent of ${about.commit.slice(0, 7)}`, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-kept-agent-'))
  const program = path.join(folder, 'agent.cjs')
  const effects = new Effects()
  let platform: Platform
  let api: TestApi
  let pg: Client
  let agent: ChildProcess | undefined
  let environment: Record<string, string>
  let log = ''

  beforeAll(async () => {
    writeFileSync(program, gunzipSync(readFileSync(`${kept}.cjs.gz`)))
    platform = await startTestPlatform({ agents: 0, gateways: 2 })
    api = new TestApi(platform)
    pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
    const { rows } = await pg.query<{ address: string }>('select address from gateway order by name')
    const token = await api.insist<{ token: string }>('POST', '/join-tokens', { uses: 1 })
    environment = {
      PATH: process.env['PATH'] ?? '',
      DROVER_AGENT_STATE: path.join(folder, 'state'),
      DROVER_AGENT_NAME: 'old-1',
      DROVER_AGENT_GATEWAYS: rows.map((row) => row.address).join(','),
      DROVER_AGENT_JOIN_TOKEN: token.body.token,
      DROVER_AGENT_POLICY_FILE: path.join(folder, 'policy.json'),
      DROVER_AGENT_MIN_FREE_PERCENT: '0',
    }
    start()
    await connected(platform, 1).catch((error: Error) => {
      throw new Error(`${error.message}\n${log}`)
    })
  }, 120_000)

  afterAll(async () => {
    agent?.kill('SIGKILL')
    await pg?.end()
    await platform?.close()
    effects.remove()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  function start(): void {
    agent = spawn(process.execPath, [program], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (text: Buffer) => {
      log = (log + text.toString()).slice(-50_000)
    }
    agent.stdout?.on('data', keep)
    agent.stderr?.on('data', keep)
  }

  const launch = (script: string) =>
    api.launch({
      target: 'name:old-1',
      plan: { name: 'old', steps: [{ name: 'only', language: 'sh', script }] },
    })

  async function wholeOutput(id: string, hostId: string, bytes: number): Promise<Buffer> {
    for (const until = Date.now() + 60_000; ; await pause(200)) {
      const output = await api.output(id, hostId)
      if (output.length >= bytes || Date.now() > until) return output
    }
  }

  it('is the one that was kept', () => {
    const bytes = readFileSync(program)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(about.sha256)
    expect(bytes.length).toBe(about.bytes)
  })

  it('joins, and says its version and protocol', async () => {
    const { body } = await api.insist<{ items: unknown[] }>('GET', '/hosts')
    expect(body.items).toEqual([
      expect.objectContaining({ name: 'old-1', connected: true, protocol: 1, agentVersion: about.version }),
    ])
  })

  it('runs scripts, also those that it has to fetch, and tells their end', async () => {
    const short = await launch(`${effects.line('start')}\necho out; echo err >&2; exit 7`)
    await api.ended(short)
    const [host] = await api.hosts(short)
    expect(host).toMatchObject({ state: 'failed', exitCode: 7, started: 'yes' })
    expect((await wholeOutput(short, host!.hostId, 4)).toString()).toBe('out\n')
    expect((await api.output(short, host!.hostId, 'stderr')).toString()).toBe('err\n')
    const long = await launch(`${`# ${'x'.repeat(98)}\n`.repeat(2_000)}echo long`)
    await api.ended(long)
    expect((await api.hosts(long))[0]).toMatchObject({ state: 'succeeded', detail: null })
    expect([...effects.count(short).values()]).toEqual([1])
  })

  it('refuses SQL, which it does not know, and starts nothing of it', async () => {
    await api.insist('PUT', '/db-accounts/any', { engine: 'mysql', user: 'ann' })
    const id = await api.launch({ target: 'name:old-1', sql: { dbAccount: 'any', sql: 'select 1' } })
    await api.ended(id)
    const [host] = await api.hosts(id)
    expect(host).toMatchObject({ state: 'rejected', started: 'no', reason: 'capability_missing' })
  })

  it('refuses a step with secrets, of which it knows nothing, and starts nothing', async () => {
    await api.insist('POST', '/secrets', { name: 'new', value: 'of a later part' })
    const step = { name: 'only', language: 'sh', script: effects.line('start'), secrets: { NEW: 'new' } }
    const id = await api.launch({ target: 'name:old-1', plan: { name: 'new', steps: [step] } })
    await api.ended(id)
    expect((await api.hosts(id))[0]).toMatchObject({
      state: 'rejected',
      started: 'no',
      reason: 'capability_missing',
    })
    expect([...effects.count(id).values()]).toEqual([])
  })

  it('stops what is cancelled', async () => {
    const id = await launch('echo $$; exec sleep 300')
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    const [host] = await api.hosts(id)
    const pid = Number((await wholeOutput(id, host!.hostId, 2)).toString())
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    await api.operate(id, { kind: 'cancel' })
    await api.ended(id)
    expect((await api.hosts(id))[0]).toMatchObject({ state: 'cancelled', started: 'yes' })
  })

  it('goes on over the death of its gateway and over its own, and loses no byte of output', async () => {
    const line = 'some output of an old agent that is long enough to matter, again and again\n'
    const script = `${effects.line('start')}\ni=0; while [ $i -lt 200 ]; do j=0; while [ $j -lt 50 ]; do printf '%s\\n' '${line.trim()}'; j=$((j+1)); done; sleep 0.05; i=$((i+1)); done\n${effects.line('end')}`
    const id = await launch(script)
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await pause(1_000)
    const { rows } = await pg.query<{ gateway: string }>(
      'select gateway from agent_session where disconnected_at is null',
    )
    platform.child(rows[0]!.gateway).kill('SIGKILL')
    await pause(2_000)
    agent?.kill('SIGKILL')
    await pause(300)
    start()
    await api.ended(id, 120_000)
    const [host] = await api.hosts(id)
    expect(host).toMatchObject({ state: 'succeeded', attempt: 1 })
    const whole = line.repeat(10_000)
    const output = await wholeOutput(id, host!.hostId, whole.length)
    expect(createHash('sha256').update(output).digest('hex')).toBe(
      createHash('sha256').update(whole).digest('hex'),
    )
    expect([...effects.count(id).values()]).toEqual([1, 1])
  })
})
