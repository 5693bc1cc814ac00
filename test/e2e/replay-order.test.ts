/**
 * What happens while the ledger is being asked is told to a workflow before the answer; when its history is replayed, together
 * with it. A worker that takes the run over must make the same of both (chaos, seed 500, run 2256).
 */
import { pause } from '../helpers/api'
import { record } from '../helpers/record'
import { Scene } from '../helpers/scene'
import { Wire } from '../helpers/wire'

// A local activity that takes longer makes its worker ask for the next workflow task, with what has happened meanwhile.
const TASK_HEARTBEAT_MS = 8_000

describe('a shard that ends while the ledger is being asked', () => {
  let scene: Scene
  let wire: Wire

  beforeAll(async () => {
    wire = await Wire.start()
    scene = await Scene.start({
      adjustEnv(child, env) {
        const url = env['DROVER_POSTGRES_URL']
        if (!child.startsWith('worker') || !url) return env
        wire.upstream = new URL(url).host
        return { ...env, DROVER_POSTGRES_URL: url.replace(wire.upstream, wire.address) }
      },
    })
    await scene.agent('a-1', await scene.gateway('gateway-1'))
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
    await wire?.stop()
  }, 60_000)

  it.each(['cancel', 'pause'])(
    'replays as it was, after a %s',
    async (kind) => {
      const id = await scene.launch('name:a-1', 'sleep 3')
      await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
      // The worker alone is without its database: what the gateway tells of the host is written all the same.
      wire.hold()
      await scene.api.operate(id, { kind })
      await scene.api.until(id, (view) => !view.steps[0]?.counts['running'], 20_000)
      await pause(TASK_HEARTBEAT_MS + 3_000)
      wire.release()
      await scene.api.ended(id, 60_000)
      await scene.workflowEnded(id)
      await record(scene.platform, id, `ended-beside-a-${kind}`)
      await scene.expectReplays()
    },
    120_000,
  )
})
