/** Steps that wait, on a real platform: for their time and no longer, through the death of the worker and of Temporal. */
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

describe('a wait', () => {
  let platform: Platform
  let api: TestApi

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 2 })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(() => platform?.close(), 60_000)

  const script = (name: string) => ({ name, language: 'sh', script: 'true' })
  const launch = (...steps: object[]) => api.launch({ target: '*', plan: { name: 'waits', steps } })
  const waiting = (id: string) => api.until(id, (view) => view.state === 'waiting')
  const took = (view: { startedAt: string | null; endedAt: string | null }) =>
    Date.parse(view.endedAt ?? '') - Date.parse(view.startedAt ?? '')

  it('holds the steps after it for its time, first and last too', async () => {
    const wait = { type: 'wait', name: 'a while', durationMs: 2_000 }
    const id = await launch(wait, script('one'), { ...wait, name: 'again' })
    const view = await waiting(id)
    expect(view.steps).toMatchObject([{ type: 'wait', state: 'waiting', hosts: 0 }, { state: 'pending' }, {}])
    expect(view.steps[0]?.reason).toMatch(/^until 2/)
    const ended = await api.ended(id)
    await record(platform, id, 'waits')
    expect(ended).toMatchObject({
      state: 'succeeded',
      steps: [{ state: 'succeeded' }, {}, { state: 'succeeded' }],
    })
    for (const index of [0, 2]) {
      expect(took(ended.steps[index]!)).toBeGreaterThanOrEqual(2_000)
      expect(took(ended.steps[index]!)).toBeLessThan(4_000)
    }
  })

  it('is gone past by a skip, and ended by a cancel', async () => {
    const wait = { type: 'wait', name: 'long', durationMs: 3_600_000 }
    const skipped = await launch(wait, script('after'))
    await waiting(skipped)
    expect((await api.operate(skipped, { kind: 'skip', step: 0 })).status).toBeLessThan(300)
    expect(await api.ended(skipped, 10_000)).toMatchObject({
      state: 'succeeded',
      steps: [{ state: 'skipped' }, {}],
    })
    const cancelled = await launch(wait, script('after'))
    await waiting(cancelled)
    await api.operate(cancelled, { kind: 'cancel' })
    expect(await api.ended(cancelled, 10_000)).toMatchObject({
      state: 'cancelled',
      steps: [{ state: 'cancelled' }, { state: 'cancelled', counts: { cancelled: 2 } }],
    })
  })

  it('does not end while the run is paused, and at once after it if its time has come', async () => {
    const id = await launch({ type: 'wait', name: 'short', durationMs: 1_500 }, script('after'))
    await waiting(id)
    await api.operate(id, { kind: 'pause' })
    await pause(3_000)
    expect(await api.get(id)).toMatchObject({ state: 'paused', steps: [{}, { state: 'pending' }] })
    await api.operate(id, { kind: 'resume' })
    expect(await api.ended(id, 10_000)).toMatchObject({ state: 'succeeded' })
  })

  it('goes on where it was when the worker and Temporal die in it', async () => {
    const id = await launch({ type: 'wait', name: 'through it', durationMs: 8_000 }, script('after'))
    await waiting(id)
    platform.child('worker-1').kill('SIGKILL')
    platform.child('temporal').kill('SIGKILL')
    const ended = await api.ended(id, 60_000)
    expect(ended).toMatchObject({ state: 'succeeded' })
    expect(took(ended.steps[0]!)).toBeGreaterThanOrEqual(8_000)
  }, 90_000)
})
