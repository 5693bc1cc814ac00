/** Automatic retries on a real platform: each attempt is a start of its own, counted from what scripts wrote. */
import { Client, Connection } from '@temporalio/client'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

describe('automatic retries', () => {
  let platform: Platform
  let api: TestApi
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 4 })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  const launch = (body: string, retry: object, more: object = {}) =>
    api.launch({
      target: '*',
      plan: {
        name: 'retries',
        steps: [
          { name: 'only', language: 'sh', script: `${effects.line('start')}\n${body}`, retry, ...more },
        ],
      },
    })
  /** In the script: how often it has started on this host. */
  const attempt = `$(grep -c "^start .* $DROVER_HOST$" ${effects.folder}/$DROVER_EXECUTION)`
  const starts = (id: string, hostId: string) =>
    [...effects.count(id)]
      .filter(([line]) => line.startsWith('start ') && line.endsWith(` ${hostId}`))
      .reduce((sum, [, n]) => sum + n, 0)

  it('runs a host that failed again, by its own time, while others still run', async () => {
    const [slow, flaky] = (await hostIds()).slice(0, 2)
    const body = `[ $DROVER_HOST = ${slow} ] && sleep 12\n[ $DROVER_HOST != ${flaky} ] || [ ${attempt} -ge 3 ]`
    const id = await launch(body, { attempts: 3, backoffMs: 300, factor: 1 })
    const early = await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 3, 20_000)
    expect(early.steps[0]?.counts).toEqual({ succeeded: 3, running: 1 })
    const view = await api.ended(id)
    await record(platform, id, 'retried-by-itself')
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
    for (const host of await api.hosts(id)) {
      const attempts = host.hostId === flaky ? 3 : 1
      expect([host.hostId, host.attempt, starts(id, host.hostId)]).toEqual([host.hostId, attempts, attempts])
    }
  }, 60_000)

  it('leaves a short history where the limit of the step holds hosts back', async () => {
    const [first] = await hostIds()
    const body = `[ $DROVER_HOST != ${first} ] || [ ${attempt} -ge 2 ] || exit 1\nsleep 4`
    const id = await launch(body, { attempts: 2, backoffMs: 100 }, { concurrency: 1 })
    expect(await api.ended(id, 90_000)).toMatchObject({ steps: [{ counts: { succeeded: 4 } }] })
    // Looking again and again would leave hundreds a minute.
    expect(await historyLength(id)).toBeLessThan(120)
  }, 120_000)

  it('leaves a short history where a host is away when the run is cancelled', async () => {
    const [lost] = platform.hosts
    const id = await launch('sleep 300', { attempts: 2, backoffMs: 100 }, { graceMs: 200 })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    platform.child(lost?.name ?? '').kill('SIGSTOP')
    await api.operate(id, { kind: 'cancel' })
    await api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 3, 30_000)
    // Noticed after 16 to 18 s, and given up by its shard 5 s later.
    await pause(35_000)
    platform.child(lost?.name ?? '').kill('SIGCONT')
    expect(await api.ended(id, 60_000)).toMatchObject({ state: 'cancelled' })
    expect(await historyLength(id)).toBeLessThan(120)
  }, 120_000)

  it('gives up after the last attempt, and leaves what an operator retries to them', async () => {
    const id = await launch('exit 7', { attempts: 2, backoffMs: 100 })
    expect(await api.ended(id, 30_000)).toMatchObject({ state: 'failed', steps: [{ counts: { failed: 4 } }] })
    for (const host of await api.hosts(id)) expect([host.attempt, starts(id, host.hostId)]).toEqual([3, 3])
    await api.operate(id, { kind: 'retry' })
    await api.until(id, (view) => view.continuation === 1 && view.state === 'failed')
    for (const host of await api.hosts(id)) expect([host.attempt, starts(id, host.hostId)]).toEqual([4, 4])
  }, 60_000)

  it('starts nothing more once the run is cancelled or paused in the wait', async () => {
    const wait = { attempts: 5, backoffMs: 1_500, factor: 1 }
    const cancelled = await launch('exit 1', wait)
    await api.until(cancelled, (view) => view.steps[0]?.counts['failed'] === 4)
    await api.operate(cancelled, { kind: 'cancel' })
    const view = await api.ended(cancelled, 10_000)
    expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { failed: 4 } }] })
    const paused = await launch(`[ ${attempt} -ge 2 ]`, wait)
    await api.until(paused, (now) => now.steps[0]?.counts['failed'] === 4)
    await api.operate(paused, { kind: 'pause' })
    await pause(3_000)
    expect((await api.get(paused)).steps[0]?.counts).toEqual({ failed: 4 })
    await api.operate(paused, { kind: 'resume' })
    expect(await api.ended(paused, 20_000)).toMatchObject({ state: 'succeeded' })
    for (const host of await api.hosts(paused)) expect(starts(paused, host.hostId)).toBe(2)
  }, 90_000)

  it('never runs again what timed out more often than it may, nor what was rejected', async () => {
    const id = await launch('sleep 30', { attempts: 1, backoffMs: 0 }, { timeoutMs: 500, graceMs: 100 })
    expect(await api.ended(id, 30_000)).toMatchObject({ steps: [{ counts: { timed_out: 4 } }] })
    for (const host of await api.hosts(id)) expect(starts(id, host.hostId)).toBe(2)
    const refused = await launch('true', { attempts: 3, backoffMs: 0 }, { account: 'nobody-of-this-name' })
    expect(await api.ended(refused, 30_000)).toMatchObject({ state: 'failed' })
    for (const host of await api.hosts(refused)) expect(host).toMatchObject({ attempt: 1, state: 'rejected' })
  }, 60_000)

  async function historyLength(id: string): Promise<number> {
    const address = platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    const connection = await Connection.connect({ address })
    const { historyLength: length } = await new Client({ connection }).workflow
      .getHandle(`execution/default/${id}`)
      .describe()
    await connection.close()
    return length
  }

  const hostIds = async () => (await api.hosts(await ended())).map((host) => host.hostId)
  async function ended(): Promise<string> {
    const id = await launch('true', { attempts: 1 })
    await api.ended(id)
    return id
  }
})
