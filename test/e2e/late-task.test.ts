/**
 * A worker that is given workflow tasks after Temporal has taken them back sees events one after the other that the run's history
 * has together. Whoever takes the run over must make the same of both (chaos, seed 500, run 2356).
 */
import { pause } from '../helpers/api'
import { record } from '../helpers/record'
import { Scene } from '../helpers/scene'
import { Wire } from '../helpers/wire'

// Temporal's own default: then the task is given out again.
const TASK_TIMEOUT_MS = 10_000

describe('a worker that gets its tasks late', () => {
  let scene: Scene
  let engine: Wire
  let ledger: Wire

  beforeAll(async () => {
    engine = await Wire.start()
    ledger = await Wire.start()
    scene = await Scene.start({
      gateways: 2,
      adjustEnv(child, env) {
        const address = env['DROVER_TEMPORAL_ADDRESS']
        const url = env['DROVER_POSTGRES_URL']
        if (!child.startsWith('worker') || !address || !url) return env
        engine.upstream = address
        ledger.upstream = new URL(url).host
        return {
          ...env,
          DROVER_TEMPORAL_ADDRESS: engine.address,
          DROVER_POSTGRES_URL: url.replace(ledger.upstream, ledger.address),
        }
      },
    })
    await scene.agent('a-1', await scene.gateway('gateway-1'))
    await scene.agent('a-2', await scene.gateway('gateway-2'))
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
    await engine?.stop()
    await ledger?.stop()
  }, 60_000)

  it('leaves a history that replays', async () => {
    const second = await scene.hostId('a-2')
    const body = `case "$DROVER_HOST" in ${second}) sleep 15 ;; *) sleep 2 ;; esac`
    const id = await scene.launch('name:a-[1-2]', body)
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    // What the worker says goes through; what it is given lies in the wire: the task of the first host's end until it is late.
    engine.hold()
    await scene.api.until(id, (view) => !view.steps[0]?.counts['running'], 30_000)
    await pause(TASK_TIMEOUT_MS / 2)
    // Its question takes until the next task is there.
    ledger.hold()
    engine.release()
    await pause(3_000)
    ledger.release()
    expect(await scene.api.ended(id, 60_000)).toMatchObject({ state: 'succeeded' })
    const { events } = await (await scene.workflowEnded(id)).fetchHistory()
    expect(events?.filter((event) => event.workflowTaskTimedOutEventAttributes)).not.toEqual([])
    await record(scene.platform, id, 'late-task')
    await scene.expectReplays()
  }, 120_000)
})
