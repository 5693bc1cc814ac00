/** Steps that restart hosts: real agents, a command that only says that it was given, and boot ids that change when the test says. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { dispatchId } from '../../proto/index'
import { pause } from '../helpers/api'
import type { RealAgent } from '../helpers/real-agent'
import { record } from '../helpers/record'
import { eventually, Scene } from '../helpers/scene'

describe('a reboot', () => {
  let scene: Scene
  let gateway: string

  beforeAll(async () => {
    scene = await Scene.start({ env: { worker: { DROVER_LOST_AFTER_MS: '3000' } } })
    gateway = await scene.gateway('gateway-1')
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const asked = (name: string) => path.join(scene.effects.folder, `asked-${name}`)
  /** How often the command was given. */
  const orders = (name: string) =>
    existsSync(asked(name)) ? readFileSync(asked(name), 'utf8').trim().split('\n').length : 0
  const agent = (name: string, command = 'true', env: Record<string, string> = {}) =>
    scene.agent(name, gateway, {
      DROVER_AGENT_REBOOT_COMMAND: `echo given >> ${asked(name)}; ${command}`,
      ...env,
    })
  const launch = (name: string, more: Record<string, unknown> = {}) =>
    scene.api.launch({
      target: `name:${name}`,
      plan: {
        name: 'reboot',
        steps: [
          { type: 'reboot', name: 'restart', ...more },
          { name: 'after', language: 'sh', script: scene.effects.line('start') },
        ],
      },
    })
  const given = (name: string) => eventually('the command', () => (orders(name) ? true : undefined))
  const restart = async (one: RealAgent) => {
    await one.kill()
    one.reboot()
    one.start()
  }

  it('is over when the host is back under another boot id, and the run goes on', async () => {
    const host = await agent('plain')
    const id = await launch('plain')
    await given('plain')
    await pause(1_000)
    expect(await scene.api.get(id)).toMatchObject({
      state: 'running',
      steps: [{ counts: { running: 1 } }, {}],
    })
    await host.kill()
    host.reboot()
    // Away for longer than any other host is waited for.
    await pause(5_000)
    expect((await scene.api.get(id)).steps[0]?.counts).toEqual({ running: 1 })
    host.start()
    expect(await scene.api.ended(id, 30_000)).toMatchObject({ state: 'succeeded' })
    await record(scene.platform, id, 'reboot')
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'succeeded', started: 'yes', exitCode: 0 }])
    expect([orders('plain'), scene.starts(id)]).toEqual([1, 1])
  }, 90_000)

  it('is ordered once, whatever dies before the host goes down', async () => {
    const host = await agent('killed')
    const id = await launch('killed')
    await given('killed')
    // An agent that is ended early by a host that goes down, and one that is started once more before it does.
    await host.kill()
    host.start()
    await scene.connected('killed')
    scene.platform.child('gateway-1').kill('SIGKILL')
    await scene.connected('killed', false)
    await scene.connected('killed')
    await pause(1_000)
    expect((await scene.api.get(id)).steps[0]?.counts).toEqual({ running: 1 })
    await restart(host)
    expect(await scene.api.ended(id, 30_000)).toMatchObject({ state: 'succeeded' })
    expect(orders('killed')).toBe(1)
  }, 90_000)

  it('comes to the next host, one after another, when the one before is back', async () => {
    const names = ['roll-1', 'roll-2']
    const hosts = await Promise.all(names.map((name) => agent(name)))
    const id = await launch(names.join(','), { concurrency: 1 })
    const given = () => names.filter((name) => orders(name))
    const [first] = await eventually('the first command', () => (given().length ? given() : undefined))
    const at = names.indexOf(first ?? '')
    const [down, next] = [hosts[at], hosts[1 - at]]
    if (!down || !next) throw new Error('nobody restarts')
    await down.kill()
    down.reboot()
    // Longer than a session may be away before its host is looked for elsewhere.
    await pause(10_000)
    expect(given()).toEqual([first])
    down.start()
    await eventually('the second command', () => (given().length === 2 ? true : undefined))
    await restart(next)
    expect(await scene.api.ended(id, 30_000)).toMatchObject({ state: 'succeeded' })
    expect([orders('roll-1'), orders('roll-2'), scene.starts(id)]).toEqual([1, 1, 2])
  }, 90_000)

  it('is over although its command was killed with the host', async () => {
    const host = await agent('cut', 'sleep 600')
    const id = await launch('cut')
    await given('cut')
    await restart(host)
    expect(await scene.api.ended(id, 30_000)).toMatchObject({ state: 'succeeded' })
    expect(orders('cut')).toBe(1)
  }, 60_000)

  it('is waited for although its wrapper was killed before the host went down, and ordered once', async () => {
    const host = await agent('orphaned', 'sleep 600')
    const id = await launch('orphaned')
    await given('orphaned')
    host.killScripts()
    await pause(2_000)
    expect((await scene.api.get(id)).steps[0]?.counts).toEqual({ running: 1 })
    await restart(host)
    expect(await scene.api.ended(id, 30_000)).toMatchObject({ state: 'succeeded' })
    expect([orders('orphaned'), scene.starts(id)]).toEqual([1, 1])
  }, 60_000)

  it('is waited for no longer than its time when its wrapper was killed and the host stays up', async () => {
    const host = await agent('orphaned-up', 'sleep 600')
    const id = await launch('orphaned-up', { timeoutMs: 10_000 })
    await given('orphaned-up')
    host.killScripts()
    expect(await scene.api.ended(id, 40_000)).toMatchObject({ state: 'failed' })
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'timed_out', started: 'yes' }])
    expect([orders('orphaned-up'), scene.starts(id)]).toEqual([1, 0])
  }, 60_000)

  it('has failed when the host did not go down in time', async () => {
    await agent('stays')
    const id = await launch('stays', { timeoutMs: 10_000 })
    expect(await scene.api.ended(id, 40_000)).toMatchObject({ state: 'failed' })
    expect(await scene.api.hosts(id)).toMatchObject([
      { state: 'failed', reason: 'reboot_not_seen', exitCode: 0 },
    ])
    expect([orders('stays'), scene.starts(id)]).toEqual([1, 0])
  }, 60_000)

  it('has failed at once when its command does', async () => {
    await agent('unable', 'exit 7')
    const id = await launch('unable')
    await scene.api.ended(id, 20_000)
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'failed', exitCode: 7 }])
  }, 60_000)

  it('is unknown when the host is not back in time, and known when it is', async () => {
    const host = await agent('late')
    const id = await launch('late', { timeoutMs: 10_000 })
    await given('late')
    await host.kill()
    host.reboot()
    expect(await scene.api.ended(id, 60_000)).toMatchObject({
      state: 'failed',
      steps: [{ counts: { unknown: 1 } }, {}],
    })
    expect(await scene.api.hosts(id)).toMatchObject([{ reason: 'reboot_overdue' }])
    host.start()
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['succeeded'] === 1, 30_000)
    expect([orders('late'), scene.starts(id)]).toEqual([1, 0])
  }, 120_000)

  it('ends with a cancel, although the host may still go down', async () => {
    const host = await agent('cancelled')
    const id = await launch('cancelled')
    await given('cancelled')
    await pause(500)
    await scene.api.operate(id, { kind: 'cancel' })
    expect(await scene.api.ended(id, 20_000)).toMatchObject({ state: 'cancelled' })
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'cancelled', started: 'yes' }])
    await restart(host)
    await scene.connected('cancelled')
    expect([orders('cancelled'), scene.starts(id)]).toEqual([1, 0])
  }, 60_000)

  it('is not given any more by a host that comes back after its run was cancelled', async () => {
    const host = await agent('returned', 'true', { DROVER_AGENT_MAX_TASKS: '1' })
    const go = path.join(scene.effects.folder, 'returned-go')
    const before = await scene.launch('name:returned', `while [ ! -e ${go} ]; do sleep 0.1; done`)
    await scene.api.until(before, ({ steps: [step] }) => step?.counts['running'] === 1)
    const id = await launch('returned')
    const view = await scene.api.until(id, ({ steps: [step] }) => step?.counts['dispatched'] === 1)
    // Journalled, and behind another script: it would begin with the end of that.
    const folder = host.task(dispatchId(view.steps[0]?.id ?? '', 1, await scene.hostId('returned')))
    await eventually('intent', () => (existsSync(path.join(folder, 'intent.json')) ? true : undefined))
    await host.kill()
    await scene.connected('returned', false)
    await scene.api.operate(id, { kind: 'cancel' })
    // Nobody waits for the restart any more, so it is lost as soon as any other host.
    expect(await scene.api.ended(id, 40_000)).toMatchObject({ state: 'cancelled' })
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'unknown', reason: 'agent_lost' }])
    host.start()
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['cancelled'] === 1, 30_000)
    expect(await scene.api.hosts(id)).toMatchObject([{ state: 'cancelled', started: 'no' }])
    writeFileSync(go, '')
    await eventually('the end of the other script', () => (scene.ends(before) ? true : undefined))
    await pause(1_500)
    expect(orders('returned')).toBe(0)
  }, 120_000)

  it('is told to stop, too, when its host was given up before its run goes past the step', async () => {
    const go = path.join(scene.effects.folder, 'passed-go')
    const late = await agent('late-1', 'true', { DROVER_AGENT_MAX_TASKS: '1' })
    await agent('late-2', 'true', { DROVER_AGENT_MAX_TASKS: '1' })
    const before = await scene.launch('name:late-[1-2]', `while [ ! -e ${go} ]; do sleep 0.1; done`)
    await scene.api.until(before, ({ steps: [step] }) => step?.counts['running'] === 2)
    const id = await scene.api.launch({
      target: 'name:late-[1-2]',
      plan: { name: 'reboot', steps: [{ type: 'reboot', name: 'restart', timeoutMs: 10_000 }] },
    })
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['dispatched'] === 2)
    await pause(500)
    await late.kill()
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['unknown'] === 1, 40_000)
    expect((await scene.api.hosts(id)).map(({ reason }) => reason)).toContain('reboot_overdue')
    expect(await scene.api.operate(id, { kind: 'next' })).toMatchObject({ body: { state: 'accepted' } })
    expect((await scene.api.ended(id, 40_000)).state).toBe('succeeded')
    late.start()
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['cancelled'] === 2, 30_000)
    writeFileSync(go, '')
    await eventually('the end of the other scripts', () => (scene.ends(before) === 2 ? true : undefined))
    await pause(1_500)
    expect([orders('late-1'), orders('late-2')]).toEqual([0, 0])
  }, 120_000)

  it('is refused by a host whose policy does not name it, and its script is not edited', async () => {
    const host = await agent('firm')
    writeFileSync(path.join(host.state, 'policy.json'), '{"capabilities":["script"]}')
    const id = await launch('firm')
    await scene.api.ended(id, 20_000)
    expect(await scene.api.hosts(id)).toMatchObject([
      { state: 'rejected', reason: 'policy_refused', started: 'no' },
    ])
    expect(orders('firm')).toBe(0)
    expect(await scene.api.operate(id, { kind: 'retry', script: 'true' })).toMatchObject({
      body: { code: 'operation_refused', detail: expect.stringMatching(/is a reboot: it has no script/) },
    })
  }, 60_000)
})
