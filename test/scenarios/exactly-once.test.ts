/** Scenarios about one start: dispatches that come late, gateways that stall, identities that are cloned. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { dispatchId, TaskState } from '../../proto/index'
import { pause } from '../helpers/api'
import { PlayedGateway, signedOrders } from '../helpers/played-gateway'
import { eventually, Scene } from '../helpers/scene'

describe('a script starts once', () => {
  let scene: Scene
  let one: string
  let two: string
  let played: PlayedGateway

  beforeAll(async () => {
    scene = await Scene.start({ gateways: 2 })
    one = await scene.gateway('gateway-1')
    two = await scene.gateway('gateway-2')
    played = await PlayedGateway.start(scene)
  }, 120_000)

  afterAll(async () => {
    played?.stop()
    await scene?.close()
  }, 60_000)

  const restart = (child: string) => scene.platform.child(child)

  it('scenario 01: a dispatch that lay in a frozen gateway for 20 s is answered from the tombstone', async () => {
    const wire = await scene.wire(one)
    const agent = await scene.agent('late', wire.address)
    wire.hold()
    const id = await scene.launch('name:late', 'sleep 0.2')
    await scene.api.until(id, (view) => view.steps[0]?.counts['dispatched'] === 1)
    // The mark comes before the order is written.
    await pause(300)
    restart('gateway-1').kill('SIGSTOP')
    const frozenAt = Date.now()
    wire.cut(two)
    const view = await scene.api.ended(id, 40_000)
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 1 } }] })
    const hostId = await scene.hostId('late')
    const task = dispatchId(view.steps[0]?.id ?? '', 1, hostId).toString('hex')
    const settled = path.join(agent.state, 'spool/tasks', task, 'settled')
    await eventually('the agent is told to forget', () => (existsSync(settled) ? true : undefined))
    await pause(Math.max(0, 20_000 - (Date.now() - frozenAt)))
    restart('gateway-1').kill('SIGCONT')
    wire.release()
    // What the frozen gateway held is for a connection that is gone; the very order comes again all the same.
    const [first] = await signedOrders(scene.pool, id, hostId)
    expect(first).toBeDefined()
    wire.cut(played.address)
    const answer = first && (await played.relay(first))
    expect(answer).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 0 })
    wire.cut(one)
    await scene.connected('late')
    const next = await scene.launch('name:late', 'true')
    expect((await scene.api.ended(next)).state).toBe('succeeded')
    expect([scene.starts(id), scene.ends(id)]).toEqual([1, 1])
    expect((await scene.api.get(id)).steps[0]?.counts).toEqual({ succeeded: 1 })
  }, 120_000)
})
