/** Scenarios about one start: dispatches that come late, gateways that stall, identities that are cloned. */
import { existsSync, readFileSync } from 'node:fs'
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

  it('scenario 02: a gateway that stalls for 15 s meets its own successor, and no count is doubled', async () => {
    const names = ['stall-1', 'stall-2', 'stall-3', 'stall-4']
    await Promise.all(names.map((name) => scene.agent(name, one)))
    const times = path.join(scene.effects.folder, 'times')
    const body = stamped(times)
    const id = await scene.launch(`name:${names.join(',')}`, body, { concurrency: 2 })
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    restart('gateway-1').kill('SIGSTOP')
    await pause(15_000)
    restart('gateway-1').kill('SIGCONT')
    const view = await scene.api.ended(id, 60_000)
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([4, 4])
    for (const name of names) expect(scene.starts(id, await scene.hostId(name))).toBe(1)
    expect(mostAtOnce(readFileSync(times, 'utf8'))).toBe(2)
    // Each host has one end, and nothing after it.
    const told = (await scene.events(id)).flatMap(
      (event) => (event.body as { changes?: { hostId: string; state: string }[] }).changes ?? [],
    )
    for (const name of names) {
      const hostId = await scene.hostId(name)
      const states = told.filter((change) => change.hostId === hostId).map((change) => change.state)
      expect(states.filter((state) => state === 'succeeded')).toHaveLength(1)
      expect(states.at(-1)).toBe('succeeded')
    }
    const shards = await scene.pool.query('select count(*)::int as n from shard where execution_id = $1', [
      id,
    ])
    // The stall was noticed: there was a successor.
    expect(shards.rows[0].n).toBeGreaterThan(1)
  }, 120_000)

  it('a step keeps its limit when a gateway dies: hosts at work hold their places while they are away', async () => {
    const names = ['limit-1', 'limit-2', 'limit-3', 'limit-4', 'limit-5', 'limit-6']
    await Promise.all(names.map((name, at) => scene.agent(name, at % 2 ? `${one},${two}` : `${two},${one}`)))
    const times = path.join(scene.effects.folder, 'limit-times')
    const body = stamped(times)
    const id = await scene.launch(`name:${names.join(',')}`, body, { concurrency: 2 })
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    restart('gateway-1').kill('SIGKILL')
    const view = await scene.api.ended(id, 90_000)
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 6 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([6, 6])
    expect(mostAtOnce(readFileSync(times, 'utf8'))).toBe(2)
  }, 150_000)

  it('scenario 05: of two agents with one cloned key at most one starts, and both are found out', async () => {
    const agent = await scene.agent('cloned', `${one},${two}`)
    const hostId = await scene.hostId('cloned')
    const first = await scene.launch('name:cloned', 'sleep 6')
    await scene.api.until(first, (view) => view.steps[0]?.counts['running'] === 1)
    const clone = scene.own(agent.clone())

    // The first dies, and its copy comes in its place: another journal is never asked.
    await agent.kill()
    await scene.connected('cloned', false)
    clone.start()
    const lost = await scene.api.ended(first, 30_000)
    expect(lost.steps[0]?.counts).toEqual({ unknown: 1 })
    expect((await scene.api.hosts(first))[0]).toMatchObject({ reason: 'journal_lost', started: 'maybe' })
    const [order] = await signedOrders(scene.pool, first, hostId)

    // Not even if a gateway would: the order names the journal that it was made for.
    await clone.kill()
    const diverted = await scene.wire(played.address)
    const led = scene.own(clone.clone({ gateways: diverted.address, keepSpool: true }))
    led.start()
    expect(order && (await played.relay(order))).toMatchObject({
      state: TaskState.TASK_STATE_REJECTED,
      reason: 'order_wrong_journal',
    })
    await led.kill()

    // The first comes back in its turn: a journal that was replaced does not come back by itself.
    agent.start()
    const host = () => scene.drover.host(hostId)
    await eventually('quarantine', async () => ((await host()).state === 'quarantined' ? true : undefined))
    expect(await host()).toMatchObject({ stateReason: 'journal_conflict' })
    await eventually('its word about its own task is taken all the same', async () =>
      (await scene.api.get(first)).steps[0]?.counts['succeeded'] === 1 ? true : undefined,
    )
    for (const turn of [agent, clone, agent]) {
      await agent.kill()
      await clone.kill()
      turn.start()
      await scene.connected('cloned')
      const refused = await scene.launch('name:cloned', 'true')
      const view = await scene.api.ended(refused, 20_000)
      expect(view.steps[0]?.counts).toEqual({ rejected: 1 })
      expect((await scene.api.hosts(refused))[0]).toMatchObject({ reason: 'journal_conflict', started: 'no' })
      expect(scene.starts(refused)).toBe(0)
    }
    expect([scene.starts(first), scene.ends(first)]).toEqual([1, 1])

    // An operator ends the copy and says so.
    await clone.kill()
    expect((await scene.drover.releaseHost(hostId)).state).toBe('active')
    await scene.connected('cloned')
    const after = await scene.launch('name:cloned', 'true')
    expect((await scene.api.ended(after, 20_000)).state).toBe('succeeded')
    expect(scene.starts(after)).toBe(1)
  }, 150_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})

/** A script of four seconds that writes down when it begins and ends. */
function stamped(times: string): string {
  const stamp = (sign: string) => `printf '${sign} %s\\n' "$(date +%s%N)" >> ${times}`
  return [stamp('begin'), 'sleep 4', stamp('end')].join('\n')
}

/** How many ran at the same time, from `begin nanoseconds` and `end nanoseconds` that scripts wrote. */
function mostAtOnce(text: string): number {
  const marks = text
    .trim()
    .split('\n')
    .map((line) => ({ sign: line.split(' ')[0], at: BigInt(line.split(' ')[1] ?? 0) }))
    .sort((a, b) => (a.at < b.at ? -1 : 1))
  let running = 0
  let most = 0
  for (const { sign } of marks) {
    running += sign === 'begin' ? 1 : -1
    most = Math.max(most, running)
  }
  return most
}
