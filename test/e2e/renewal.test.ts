/** Certificates that end every few seconds, renewed while scripts run and output flows: no session and no run may notice. */
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Client } from 'pg'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { connected, startTestPlatform } from '../helpers/platform'

const LIFE_MS = 20_000
const LOAD_MS = Number(process.env.DROVER_TEST_RENEWAL_MS ?? 40_000)
const HOSTS = 4

const line = 'output that flows while certificates change, again and again and again\n'
const chatter = (seconds: number) =>
  `i=0; while [ $i -lt ${seconds * 10} ]; do j=0; while [ $j -lt 20 ]; do printf '%s\\n' '${line.trim()}'; j=$((j+1)); done; sleep 0.1; i=$((i+1)); done`
const hashOf = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

describe('renewal of certificates', () => {
  const effects = new Effects()
  let platform: Platform
  let api: TestApi
  let pg: Client

  beforeAll(async () => {
    platform = await startTestPlatform({
      agents: HOSTS,
      env: { worker: { DROVER_HOST_CERTIFICATE_MS: String(LIFE_MS) } },
    })
    api = new TestApi(platform)
    pg = new Client({ connectionString: platform.env['DROVER_POSTGRES_URL'] })
    await pg.connect()
  }, 120_000)

  afterAll(async () => {
    await pg?.end()
    await platform?.close()
    effects.remove()
  }, 60_000)

  /** The sessions as they stand: a dropped one would come back under another epoch. */
  const sessions = async () =>
    (
      await pg.query(
        'select host_id, epoch from agent_session where disconnected_at is null order by host_id',
      )
    ).rows

  /** Fails with what agents said of the sessions that they lost: a drop has many causes, and renewal is one of them. */
  async function unchangedSince(before: unknown[]): Promise<void> {
    const now = await sessions()
    if (isDeepStrictEqual(now, before)) return
    const said = platform.hosts.map(({ name }) => {
      const log = readFileSync(platform.child(name).logFile, 'utf8')
      return [name, ...log.split('\n').filter((row) => /session|certificate/.test(row))].join('\n  ')
    })
    throw new Error(
      `sessions were ${JSON.stringify(before)} and are ${JSON.stringify(now)}\n${said.join('\n')}`,
    )
  }

  const issued = async (): Promise<{ host_id: string; n: number; until: Date }[]> =>
    (
      await pg.query(
        `select host_id, count(*)::int as n, max(not_after) as until from certificate where host_id is not null group by host_id order by host_id`,
      )
    ).rows

  /** When the certificate that the host's agent relies on is over. */
  const endOf = (name: string) =>
    Date.parse(
      new X509Certificate(readFileSync(path.join(platform.agentState(name), 'identity/cert.pem'))).validTo,
    )

  async function until(isReached: () => boolean): Promise<void> {
    for (const end = Date.now() + 60_000; !isReached(); await pause(100)) {
      const ends = platform.hosts.map(({ name }) => `${name}: ${new Date(endOf(name)).toISOString()}`)
      if (Date.now() > end)
        throw new Error(`at ${new Date().toISOString()} certificates ended ${ends.join(', ')}`)
    }
  }

  async function launch(seconds: number): Promise<string> {
    const script = `${effects.line('start')}\n${chatter(seconds)}`
    return api.launch({
      target: '*',
      plan: { name: 'chatty', steps: [{ name: 'only', language: 'sh', script }] },
    })
  }

  async function check(id: string, seconds: number): Promise<void> {
    const view = await api.ended(id, 120_000)
    expect(view.state).toBe('succeeded')
    const want = line.repeat(seconds * 10 * 20)
    for (const host of await api.hosts(id)) {
      let output: Buffer = Buffer.alloc(0)
      for (
        const until = Date.now() + 30_000;
        output.length < want.length && Date.now() < until;
        await pause(100)
      )
        output = await api.output(id, host.hostId)
      expect({ host: host.hostName, attempt: host.attempt, hash: hashOf(output) }).toEqual({
        host: host.hostName,
        attempt: 1,
        hash: hashOf(want),
      })
    }
    expect([...effects.count(id).values()]).toEqual(Array.from({ length: HOSTS }, () => 1))
  }

  async function restartAgents(): Promise<void> {
    const before = await sessions()
    for (const { name } of platform.hosts) platform.child(name).kill('SIGKILL')
    for (const until = Date.now() + 60_000; ; await pause(100)) {
      const now = await sessions()
      const fresh = now.filter((row) => before.every((old) => old.epoch !== row.epoch))
      if (fresh.length === HOSTS) return
      if (Date.now() > until)
        throw new Error(`after the restart only these came back: ${JSON.stringify(fresh)}`)
    }
  }

  it('drops no session, no run and no byte', async () => {
    const before = await sessions()
    expect(before).toHaveLength(HOSTS)
    const seconds = LOAD_MS / 1000
    const long = await launch(seconds)
    const short: string[] = []
    for (const until = Date.now() + LOAD_MS; Date.now() < until; await pause(2_000))
      short.push(await launch(2))
    for (const id of short) await check(id, 2)
    await check(long, seconds)
    await unchangedSince(before)
    const certificates = await issued()
    for (const { n } of certificates) expect(n).toBeGreaterThanOrEqual(1 + Math.floor(LOAD_MS / LIFE_MS))
    process.stdout.write(
      `renewal: ${HOSTS} hosts, ${LIFE_MS} ms a certificate, ${certificates.reduce((sum, { n }) => sum + n, 0)} issued, ${short.length + 1} runs, 0 sessions dropped\n`,
    )
  })

  it('leaves every agent one that it can come back with', async () => {
    await restartAgents()
    const id = await launch(1)
    await check(id, 1)
  })

  it('goes on over a certificate that ended in mid-stream, once a worker is there to sign', async () => {
    const before = await sessions()
    await platform.child('worker-1').stop()
    await until(() => platform.hosts.every(({ name }) => endOf(name) < Date.now() - 1_000))
    await unchangedSince(before)
    platform.child('worker-1').start()
    await until(() => platform.hosts.every(({ name }) => endOf(name) > Date.now() + LIFE_MS / 4))
    await unchangedSince(before)
    await restartAgents()
    await connected(platform, HOSTS)
    const id = await launch(1)
    await check(id, 1)
  })
})
