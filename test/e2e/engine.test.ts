/** The engine handled from outside, or away, and gateways that leave: the ledger stays the one that decides. */
import { randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { createPool } from '../../store/postgres/pool'

describe('the engine', () => {
  let platform: Platform
  let api: TestApi
  let client: Client
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 4, gateways: 2 })
    api = new TestApi(platform)
    const address = platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    client = new Client({ connection: await Connection.connect({ address }) })
  }, 120_000)

  afterAll(async () => {
    await client?.connection.close()
    await platform?.close()
    effects.remove()
  }, 60_000)

  const starts = (id: string) =>
    [...effects.count(id)].reduce((sum, [line, n]) => sum + (line.startsWith('start') ? n : 0), 0)
  const ends = (id: string) =>
    [...effects.count(id)].reduce((sum, [line, n]) => sum + (line.startsWith('end') ? n : 0), 0)
  const launch = (body: string, more: Record<string, unknown> = {}) =>
    api.launch({
      target: '*',
      plan: {
        name: 'engine',
        steps: [
          {
            name: 'only',
            language: 'sh',
            script: `${effects.line('start')}\n${body}\n${effects.line('end')}`,
            graceMs: 300,
            ...more,
          },
        ],
      },
    })
  const workflow = (id: string) => client.workflow.getHandle(`execution/default/${id}`)

  it('takes a cancel from its own UI as a cancel of the run', async () => {
    const id = await launch('sleep 60')
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    await workflow(id).cancel()
    const view = await api.ended(id, 15_000)
    expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { cancelled: 4 } }] })
    expect(ends(id)).toBe(0)
  })

  // Held softly, the end of a script makes the workflow look; held hard, nothing does but the sweeper.
  it.each([
    ['softly', false],
    ['hard', true],
  ])(
    'takes a cancel of a run paused %s while it is away, and ends it when it is back',
    async (_how, hard) => {
      const id = await launch('sleep 60', { concurrency: 2 })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
      await api.operate(id, { kind: 'pause', hard })
      await api.until(
        id,
        ({ state, steps: [step] }) => state === 'paused' && (!hard || step?.counts['cancelled'] === 2),
      )
      // The workflow is to have nothing under way.
      await pause(1_500)
      await platform.child('temporal').stop()
      expect((await api.operate(id, { kind: 'cancel' })).status).toBeLessThan(300)
      await api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 2, 15_000)
      platform.child('temporal').start()
      const view = await api.ended(id, 40_000)
      expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { cancelled: 4 } }] })
      expect([starts(id), ends(id)]).toEqual([2, 0])
    },
    120_000,
  )

  it('ends a run whose workflow was terminated before it could take the run', async () => {
    await platform.child('worker-1').stop()
    const id = await launch('true')
    await workflow(id).terminate('a test')
    platform.child('worker-1').start()
    expect(await api.ended(id, 30_000)).toMatchObject({ state: 'failed', reason: 'engine_terminated' })
    expect(starts(id)).toBe(0)
  }, 60_000)

  it('refuses an operation that nobody asked the workflow about, because the API died', async () => {
    const id = await launch('sleep 60')
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    const { searchAttributes } = await workflow(id).describe()
    expect(searchAttributes['DroverState']).toEqual(['running'])
    const pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 1)
    await pool.query(
      `insert into operation (scope_id, id, execution_id, kind, args, principal_id, created_at)
       select scope_id, $2, id, 'pause', '{}', launched_by, now() - interval '31 seconds' from execution where id = $1`,
      [id, randomUUID()],
    )
    await pool.end()
    const list = () =>
      api.insist<{ items: { state: string; reason: string | null }[] }>('GET', `/executions/${id}/operations`)
    for (const until = Date.now() + 10_000; Date.now() < until; await pause(100))
      if ((await list()).body.items[0]?.state !== 'requested') break
    expect((await list()).body.items).toMatchObject([{ state: 'refused', reason: 'unavailable' }])
    expect((await api.get(id)).state).toBe('running')
    await api.operate(id, { kind: 'cancel' })
    await api.ended(id, 20_000)
  })

  it('takes launches while it is away, and runs them when it is back', async () => {
    await platform.child('temporal').stop()
    const id = await launch('true')
    expect((await api.get(id)).state).toBe('pending')
    platform.child('temporal').start()
    expect((await api.ended(id, 60_000)).state).toBe('succeeded')
    expect(starts(id)).toBe(4)
  }, 120_000)

  it('loses no run when a gateway is told to end: its hosts go on with the other one', async () => {
    const ids = [await launch('sleep 3'), await launch('sleep 1')]
    await pause(500)
    await platform.child('gateway-1').stop()
    const more = await launch('true')
    for (const id of [...ids, more]) {
      const view = await api.ended(id, 60_000)
      expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
      expect([starts(id), ends(id)]).toEqual([4, 4])
    }
    platform.child('gateway-1').start()
  }, 120_000)
})
