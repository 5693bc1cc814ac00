/** Scenarios about a cancel: before, while and after everything that may happen at the same time. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { TaskFolder } from '../../agent/journal/task-folder'
import { dispatchId, Started, TaskState } from '../../proto/index'
import { pause } from '../helpers/api'
import { PlayedGateway, signedOrders } from '../helpers/played-gateway'
import { seeded } from '../../base/seeded'
import { record } from '../helpers/record'
import type { RealAgent } from '../helpers/real-agent'
import { eventually, Scene } from '../helpers/scene'

const LOST_AFTER_MS = 3_000
const EXITED_0 = `trap 'exit 0' TERM\nsleep 30 & wait`

describe('a cancel', () => {
  let scene: Scene
  let both: string
  const agents = new Map<string, RealAgent>()

  beforeAll(async () => {
    scene = await Scene.start({
      gateways: 2,
      env: {
        // Few operations are enough for a history to be continued as a new one.
        worker: { DROVER_LOST_AFTER_MS: String(LOST_AFTER_MS), DROVER_HISTORY_MAX_EVENTS: '60' },
      },
    })
    const gateways = [await scene.gateway('gateway-1'), await scene.gateway('gateway-2')]
    both = gateways.join(',')
    const names = ['a-1', 'a-2', 'a-3', 'a-4', 'ghost']
    const [first = '', second = ''] = gateways
    await Promise.all(
      names.map(async (name, index) =>
        agents.set(name, await scene.agent(name, index % 2 ? `${second},${first}` : both)),
      ),
    )
    await agents.get('ghost')?.kill()
    await scene.connected('ghost', false)
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const cancel = async (id: string) => {
    const asked = Date.now()
    expect((await scene.api.operate(id, { kind: 'cancel' })).status).toBeLessThan(300)
    return Date.now() - asked
  }
  const step = (id: string, state: string, count: number) =>
    scene.api.until(id, (view) => (view.steps[0]?.counts[state] ?? 0) === count)

  it('scenario 09: one that comes before the dispatch is journalled, and the dispatch refused', async () => {
    const one = await scene.gateway('gateway-1')
    const played = await PlayedGateway.start(scene)
    const wire = await scene.wire(one)
    const agent = await scene.agent('overtaken', wire.address)
    wire.hold()
    const id = await scene.launch('name:overtaken', 'true')
    const view = await step(id, 'dispatched', 1)
    await pause(300)
    // The order is lost with the connection; the agent is away while the cancel is accepted.
    wire.cut(undefined)
    wire.release()
    await scene.connected('overtaken', false)
    await cancel(id)
    wire.cut(one)
    expect(await scene.api.ended(id, 20_000)).toMatchObject({
      state: 'cancelled',
      steps: [{ counts: { cancelled: 1 } }],
    })
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'cancelled', started: 'no' }])
    const hostId = await scene.hostId('overtaken')
    const folder = agent.task(dispatchId(view.steps[0]?.id ?? '', 1, hostId))
    expect(existsSync(path.join(folder, 'cancel.json'))).toBe(true)
    expect(existsSync(path.join(folder, 'intent.json'))).toBe(false)
    const [order] = await signedOrders(scene.pool, id, hostId)
    wire.cut(played.address)
    expect(order && (await played.relay(order))).toMatchObject({
      state: TaskState.TASK_STATE_CANCELLED,
      started: Started.STARTED_NO,
    })
    played.stop()
    await pause(500)
    expect(scene.starts(id)).toBe(0)
    await agent.kill()
  }, 90_000)

  it('scenario 10: is accepted while Temporal is away; no host starts from any gateway, what runs dies', async () => {
    const id = await scene.launch('name:a-[1-4]', 'sleep 60', { concurrency: 2 })
    await step(id, 'running', 2)
    await scene.platform.child('temporal').stop()
    expect(await cancel(id)).toBeLessThan(1_000)
    await scene.api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 2, 15_000)
    await pause(2_000)
    expect([scene.starts(id), scene.ends(id)]).toEqual([2, 0])
    scene.platform.child('temporal').start()
    const view = await scene.api.ended(id, 60_000)
    expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { cancelled: 4 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([2, 0])
  }, 120_000)

  it('scenario 10: is accepted while every gateway is away; what runs dies when one is back', async () => {
    const id = await scene.launch('name:a-1', 'sleep 60')
    await step(id, 'running', 1)
    const gateways = ['gateway-1', 'gateway-2'].map((name) => scene.platform.child(name))
    await Promise.all(gateways.map((gateway) => gateway.stop()))
    expect(await cancel(id)).toBeLessThan(1_000)
    await scene.api.until(id, (view) => view.state === 'cancelling')
    await pause(LOST_AFTER_MS + 2_000)
    // Nobody could tell the agent: whatever the run says by now, it does not say that the script is dead.
    const counts = (await scene.api.get(id)).steps[0]?.counts ?? {}
    expect([counts['cancelled'] ?? 0, scene.ends(id)]).toEqual([0, 0])
    for (const gateway of gateways) gateway.start()
    await scene.api.ended(id, 60_000)
    await step(id, 'cancelled', 1)
    expect([scene.starts(id), scene.ends(id)]).toEqual([1, 0])
  }, 120_000)

  it('scenario 11: an exit with 0 during the grace is cancelled with its code, one before it has succeeded', async () => {
    const random = seeded(11)
    const tally: Record<string, number> = {}
    const rounds = Array.from({ length: 12 }, (_, n) => ({
      name: `a-${(n % 4) + 1}`,
      trap: n % 4 === 0,
      lengthMs: 800 + Math.round(random() * 400),
      lateMs: Math.round(random() * 1_000) - 900,
    }))
    const play = async ({ name, trap, lengthMs, lateMs }: (typeof rounds)[number]) => {
      const id = await scene.launch(`name:${name}`, trap ? EXITED_0 : `sleep ${lengthMs / 1_000}`)
      const view = await scene.api.until(id, (now) => !now.steps[0]?.counts['pending'])
      await eventually('start', () => (scene.starts(id) === 1 ? true : undefined))
      await pause(Math.max(0, trap ? 200 : lengthMs + lateMs))
      // One that has ended by itself already refuses it: then there is nothing to tell apart.
      await scene.api.operate(id, { kind: 'cancel' })
      await scene.api.ended(id, 20_000)
      const [host] = await scene.api.hosts(id)
      const agent = agents.get(name)
      if (!agent || !host) throw new Error(`there is no ${name}`)
      const folder = new TaskFolder(agent.task(dispatchId(view.steps[0]?.id ?? '', 1, host.hostId)))
      const [exit, order] = [await folder.readExit(), await folder.readCancel()]
      const cancelled = order !== undefined && (exit?.uptimeMs ?? Infinity) >= order.receivedUptimeMs
      expect([name, host.state]).toEqual([name, cancelled ? 'cancelled' : 'succeeded'])
      expect(host.exitCode).toBe(exit?.status ?? null)
      if (trap) expect(host).toMatchObject({ state: 'cancelled', exitCode: 0, started: 'yes' })
      const told = (await scene.events(id)).flatMap(
        ({ body }) => (body as { changes?: { state: string }[] }).changes ?? [],
      )
      expect(told.filter(({ state }) => state === 'cancelled' || state === 'succeeded')).toHaveLength(1)
      const word = trap ? 'exit 0 in the grace' : host.state
      tally[word] = (tally[word] ?? 0) + 1
    }
    await Promise.all(rounds.map(play))
    process.stdout.write(`scenario 11: ${JSON.stringify(tally)}\n`)
  }, 90_000)

  describe('scenario 12: at every state nothing starts afterwards, and one host without agent holds nobody up', () => {
    /**
     * Ends within seconds, with every host cancelled, and no script starts after the cancel. The host without agent is
     * `offline` where it has been away for a minute by then.
     */
    async function expectOver(id: string, starts: number, forMs = 15_000) {
      const view = await scene.api.ended(id, forMs)
      expect(view.state).toBe('cancelled')
      for (const host of await scene.api.hosts(id)) {
        if (host.hostName !== 'ghost') expect(host).toMatchObject({ state: 'cancelled' })
        else expect(['cancelled no', 'offline no']).toContain(`${host.state} ${host.started}`)
      }
      expect(scene.starts(id)).toBe(starts)
      await pause(1_000)
      expect([scene.starts(id), scene.ends(id)]).toEqual([starts, 0])
    }

    it('before its workflow exists', async () => {
      await scene.platform.child('temporal').stop()
      const id = await scene.launch('name:a-1,ghost', 'sleep 60')
      await cancel(id)
      scene.platform.child('temporal').start()
      await expectOver(id, 0, 60_000)
    }, 120_000)

    it('pending, with nobody to take its workflow up', async () => {
      await scene.platform.child('worker-1').stop()
      const id = await scene.launch('name:a-1,ghost', 'sleep 60')
      await cancel(id)
      scene.platform.child('worker-1').start()
      await expectOver(id, 0, 30_000)
    }, 60_000)

    it('waiting for a host without agent', async () => {
      const ghost = agents.get('ghost')
      ghost?.start()
      await scene.connected('ghost')
      await ghost?.kill()
      await scene.connected('ghost', false)
      const id = await scene.launch('name:ghost', 'sleep 60')
      await scene.api.until(id, (view) => view.state === 'running')
      await cancel(id)
      await expectOver(id, 0, 5_000)
    })

    it('dispatched, behind another task at its agent', async () => {
      const busy = await scene.agent('busy', both, { DROVER_AGENT_MAX_TASKS: '1' })
      const before = await scene.launch('name:busy', 'sleep 60')
      await step(before, 'running', 1)
      const id = await scene.launch('name:busy,ghost', 'sleep 60')
      await step(id, 'dispatched', 1)
      await cancel(id)
      await expectOver(id, 0, 10_000)
      await cancel(before)
      await scene.api.ended(before)
      await busy.kill()
    }, 60_000)

    it('running', async () => {
      const id = await scene.launch('name:a-[1-2],ghost', 'sleep 60')
      await step(id, 'running', 2)
      await cancel(id)
      await expectOver(id, 2, 10_000)
    })

    it('running, on a host whose agent then dies: the others end at once', async () => {
      const dying = await scene.agent('dying', both)
      const id = await scene.launch('name:a-1,dying', 'sleep 60')
      await step(id, 'running', 2)
      await dying.kill()
      await scene.connected('dying', false)
      await cancel(id)
      await scene.api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 1, 5_000)
      const view = await scene.api.ended(id, 20_000)
      expect(view).toMatchObject({ state: 'cancelled', steps: [{ counts: { cancelled: 1, unknown: 1 } }] })
      // Its script lives on without its agent, and is told to stop when that is back: the run has long ended.
      dying.start()
      await scene.api.until(id, (now) => now.steps[0]?.counts['cancelled'] === 2, 30_000)
      expect([scene.starts(id), scene.ends(id)]).toEqual([2, 0])
    }, 90_000)

    it.each([false, true])('paused, hard: %s', async (hard) => {
      const id = await scene.launch('name:a-[1-2],ghost', 'sleep 60', { concurrency: 1 })
      await step(id, 'running', 1)
      await scene.api.operate(id, { kind: 'pause', hard })
      await scene.api.until(
        id,
        ({ state, steps: [now] }) => state === 'paused' && (!hard || now?.counts['cancelled'] === 1),
      )
      await cancel(id)
      await expectOver(id, 1, 10_000)
    })

    it('between two attempts', async () => {
      const failing = await scene.hostId('a-1')
      const id = await scene.launch('name:a-[1-2],ghost', `[ $DROVER_HOST = ${failing} ] && exit 3\nsleep 60`)
      await scene.api.until(
        id,
        ({ steps: [now] }) => now?.counts['failed'] === 1 && now.counts['running'] === 1,
      )
      await scene.api.operate(id, { kind: 'pause' })
      expect((await scene.api.operate(id, { kind: 'retry' })).status).toBeLessThan(300)
      expect((await scene.api.hosts(id))[0]).toMatchObject({ attempt: 2, state: 'pending' })
      await cancel(id)
      await expectOver(id, 2, 10_000)
      expect((await scene.api.hosts(id))[0]).toMatchObject({ attempt: 2, state: 'cancelled', started: 'no' })
    })

    it('while its history is continued as a new one', async () => {
      const temporal = await scene.temporal()
      const random = seeded(12)
      for (let round = 0; round < 4; round++) {
        const id = await scene.launch('name:a-[1-2],ghost', 'sleep 60', { concurrency: 1 })
        await step(id, 'running', 1)
        const workflow = temporal.workflow.getHandle(`execution/default/${id}`)
        const { runId } = await workflow.describe()
        let over = false
        // `seen`: a resume that comes after the end must not reopen the run.
        const storm = (async () => {
          for (let n = 0; !over; n++)
            await scene.api.operate(id, { kind: n % 2 ? 'resume' : 'pause', seen: 'open' })
        })()
        await eventually(
          'a new history',
          async () => ((await workflow.describe()).runId === runId ? undefined : true),
          60_000,
        )
        await pause(random() * 400)
        await cancel(id)
        over = true
        if (round === 0) await record(scene.platform, id, 'left-within-a-step', { runId })
        await storm
        await expectOver(id, 1, 15_000)
      }
    }, 300_000)
  })

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
