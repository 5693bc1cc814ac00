/** Scenarios about undo: what nobody knows stops it, what kills it in between changes nothing, and a cancel ends it. */
import { existsSync, readFileSync } from 'node:fs'
import { pause } from '../helpers/api'
import type { RealAgent } from '../helpers/real-agent'
import { eventually, Scene } from '../helpers/scene'

// Longer than a gateway is away that is killed.
const LOST_AFTER_MS = 25_000

describe('an undo', () => {
  let scene: Scene
  let gateway: string
  const agents = new Map<string, RealAgent>()
  const names = ['u-1', 'u-2', 'u-3', 'u-4', 'lost-1', 'lost-2', 'lost-3', 'ghost-1', 'ghost-2']

  beforeAll(async () => {
    scene = await Scene.start({ env: { worker: { DROVER_LOST_AFTER_MS: String(LOST_AFTER_MS) } } })
    gateway = await scene.gateway('gateway-1')
    for (const name of names) agents.set(name, await scene.agent(name, gateway))
    for (const name of ['ghost-1', 'ghost-2']) {
      await agents.get(name)?.kill()
      await scene.connected(name, false)
    }
  }, 180_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const script = (word: string, body: string) =>
    [scene.effects.line(`${word}-start`), body, scene.effects.line(`${word}-end`)].join('\n')
  const launch = (target: string, steps: { name: string; body: string; undo: string }[]) =>
    scene.api.launch({
      target,
      plan: {
        name: 'undone',
        steps: steps.map(({ name, body, undo }) => ({
          name,
          language: 'sh',
          graceMs: 500,
          script: script(name, body),
          undo: { language: 'sh', graceMs: 500, script: script(`undo-${name}`, undo) },
        })),
      },
    })
  /** Of a word, by host. */
  const told = async (id: string, word: string, host: string) => {
    const hostId = await scene.hostId(host)
    return [...scene.effects.count(id)]
      .filter(([line]) => line.startsWith(`${word} ${id} `) && line.endsWith(` ${hostId}`))
      .reduce((sum, [, n]) => sum + n, 0)
  }
  const undone = (id: string) => scene.api.until(id, (now) => now.reason === 'undone', 60_000)
  const refused = (why: RegExp) => ({
    body: { code: 'operation_refused', detail: expect.stringMatching(why) },
  })

  it('scenario 22: skips what never began, stops and asks for what is unknown, and has one effect through every kill', async () => {
    const lost = ['lost-1', 'lost-2', 'lost-3']
    const lostIds = await Promise.all(lost.map((name) => scene.hostId(name)))
    const id = await launch(`name:${names.join(',')}`, [
      {
        name: 'deploy',
        body: `case $DROVER_HOST in ${lostIds.join('|')}) sleep 600;; esac`,
        undo: 'sleep 3',
      },
    ])
    await scene.api.until(
      id,
      ({ steps: [step] }) => step?.counts['running'] === 3 && step.counts['succeeded'] === 4,
      30_000,
    )
    for (const name of lost) await agents.get(name)?.kill()
    // The two without an agent are given up after a minute; nobody need wait for that.
    const ended = await scene.api.ended(id, 100_000)
    expect(ended.steps[0]?.counts).toEqual({ succeeded: 4, unknown: 3, offline: 2 })

    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject(
      refused(/outcome of 3 hosts is unknown \(lost-1, lost-2, lost-3\)/),
    )
    const miscounted = { kind: 'undo', includeUnknown: true, unknownHosts: 2 }
    expect(await scene.api.operate(id, miscounted)).toMatchObject(refused(/3 hosts is unknown now, not of 2/))
    expect(scene.effects.count(id).size).toBe(7 + 4)

    for (const name of lost) agents.get(name)?.start()
    await Promise.all(lost.map((name) => scene.connected(name)))
    await pause(1_000)
    const include = { kind: 'undo', includeUnknown: true, unknownHosts: 3 }
    expect(await scene.api.operate(id, include)).toMatchObject({ body: { state: 'accepted' } })
    await scene.api.until(id, ({ steps }) => (steps[1]?.counts['running'] ?? 0) >= 4, 30_000)
    await agents.get('u-1')?.kill()
    scene.platform.child('worker-1').kill('SIGKILL')
    scene.platform.child('gateway-1').kill('SIGKILL')
    agents.get('u-1')?.start()
    const view = await undone(id)
    expect(view.steps[1]).toMatchObject({ hosts: 7, counts: { succeeded: 7 } })
    for (const name of ['u-1', 'u-2', 'u-3', 'u-4', ...lost]) {
      expect([name, await told(id, 'undo-deploy-start', name)]).toEqual([name, 1])
      expect([name, await told(id, 'undo-deploy-end', name)]).toEqual([name, 1])
    }
    for (const name of ['ghost-1', 'ghost-2']) expect(await told(id, 'undo-deploy-start', name)).toBe(0)
    // What was undone must not go on: it was told to stop.
    const stopped = await scene.api.until(id, ({ steps: [step] }) => step?.counts['cancelled'] === 3, 20_000)
    expect(stopped.state).toBe('cancelled')
    for (const name of lost) expect(await told(id, 'deploy-end', name)).toBe(0)
  }, 300_000)

  it('scenario 22: hosts that are left out get nothing, until their outcome is known and somebody asks again', async () => {
    const hostId = await scene.hostId('lost-1')
    const id = await launch('name:u-1,lost-1', [
      { name: 'first', body: 'true', undo: 'true' },
      { name: 'second', body: `case $DROVER_HOST in ${hostId}) sleep 6;; esac`, undo: 'true' },
    ])
    await scene.api.until(
      id,
      ({ steps }) => steps[1]?.counts['running'] === 1 && steps[1].counts['succeeded'] === 1,
    )
    await agents.get('lost-1')?.kill()
    expect((await scene.api.ended(id, 75_000)).steps[1]?.counts).toEqual({ succeeded: 1, unknown: 1 })
    const leaveOut = { kind: 'undo', includeUnknown: false, unknownHosts: 1 }
    expect(await scene.api.operate(id, leaveOut)).toMatchObject({ body: { state: 'accepted' } })
    const view = await undone(id)
    // Not its first step either: what was done to a host is taken back in order.
    expect(view.steps.slice(2).map((step) => step.counts)).toEqual([
      { succeeded: 1, skipped: 1 },
      { succeeded: 1, skipped: 1 },
    ])
    expect((await scene.api.hosts(id, 2)).find((host) => host.hostId === hostId)?.reason).toBe(
      'undo_left_out',
    )
    agents.get('lost-1')?.start()
    await scene.api.until(id, ({ steps }) => steps[1]?.counts['succeeded'] === 2, 30_000)
    expect(await told(id, 'undo-second-start', 'lost-1')).toBe(0)
    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    const again = await scene.api.until(
      id,
      (now) => now.reason === 'undone' && now.continuation === 2,
      30_000,
    )
    expect(again.steps.slice(2).map((step) => step.counts)).toEqual([{ succeeded: 2 }, { succeeded: 2 }])
    for (const word of ['undo-first-start', 'undo-second-start'])
      expect([await told(id, word, 'u-1'), await told(id, word, 'lost-1')]).toEqual([1, 1])
  }, 120_000)

  describe('of a host that may still run what is undone waits for its end', () => {
    // Deaf to the polite signal: only the kill after the grace ends it.
    const deaf = (pid: string) =>
      `echo $$ > ${pid}; trap '' TERM; n=0; while [ $n -lt 600 ]; do sleep 0.5; n=$((n+1)); done`
    const files = (name: string) => ({
      pid: `${scene.effects.folder}/${name}-pid`,
      overlap: `${scene.effects.folder}/${name}-overlap`,
    })
    const include = { kind: 'undo', includeUnknown: true, unknownHosts: 1 }

    it('which is a former attempt', async () => {
      const { pid, overlap } = files('former')
      const id = await launch('name:lost-3', [
        {
          name: 'deploy',
          body: `[ -e ${pid} ] || { ${deaf(pid)}; }`,
          undo: `kill -0 $(cat ${pid}) 2>/dev/null && touch ${overlap}; true`,
        },
      ])
      await scene.api.until(id, ({ steps: [step] }) => step?.counts['running'] === 1)
      await eventually('the script', () => existsSync(pid) || undefined)
      await agents.get('lost-3')?.kill()
      expect((await scene.api.ended(id, 75_000)).steps[0]?.counts).toEqual({ unknown: 1 })
      const retry = { kind: 'retry', includeUnknown: true, unknownHosts: 1 }
      expect(await scene.api.operate(id, retry)).toMatchObject({ body: { state: 'accepted' } })
      agents.get('lost-3')?.start()
      // The second attempt is done while the first one still runs.
      await scene.api.until(id, (now) => now.state === 'succeeded', 60_000)
      process.kill(Number(readFileSync(pid, 'utf8')), 0)
      expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject(
        refused(/outcome of 1 host is unknown \(lost-3\)/),
      )
      expect(await scene.api.operate(id, include)).toMatchObject({ body: { state: 'accepted' } })
      expect((await undone(id)).steps[1]?.counts).toEqual({ succeeded: 1 })
      expect(existsSync(overlap)).toBe(false)
      const words = ['deploy-start', 'deploy-end', 'undo-deploy-start', 'undo-deploy-end']
      expect(await Promise.all(words.map((word) => told(id, word, 'lost-3')))).toEqual([2, 1, 1, 1])
      const verdicts = await scene.drover.verdicts(id, 0, await scene.hostId('lost-3'))
      expect(verdicts.map(({ attempt, state, reason }) => [attempt, state, reason])).toEqual([
        [1, 'unknown', 'agent_lost'],
        [1, 'cancelled', 'run_undone'],
        [2, 'succeeded', null],
      ])
    }, 180_000)

    it('of a run whose workflow somebody ended while the host was away', async () => {
      const { pid, overlap } = files('terminated')
      const id = await launch('name:lost-3', [
        {
          name: 'deploy',
          body: deaf(pid),
          undo: `kill -0 $(cat ${pid}) 2>/dev/null && touch ${overlap}; true`,
        },
      ])
      await scene.api.until(id, ({ steps: [step] }) => step?.counts['running'] === 1)
      await eventually('the script', () => existsSync(pid) || undefined)
      await agents.get('lost-3')?.kill()
      await scene.connected('lost-3', false)
      await (await scene.temporal()).workflow.getHandle(`execution/default/${id}`).terminate('a test')
      expect(await scene.api.ended(id, 30_000)).toMatchObject({ reason: 'engine_terminated' })
      expect(await scene.api.operate(id, include)).toMatchObject({ body: { state: 'accepted' } })
      agents.get('lost-3')?.start()
      expect((await undone(id)).steps.map((step) => step.counts)).toEqual([
        { cancelled: 1 },
        { succeeded: 1 },
      ])
      expect(existsSync(overlap)).toBe(false)
      const words = ['deploy-start', 'deploy-end', 'undo-deploy-start', 'undo-deploy-end']
      expect(await Promise.all(words.map((word) => told(id, word, 'lost-3')))).toEqual([1, 0, 1, 1])
    }, 120_000)

    it('which has restarted, and knows of no end', async () => {
      const id = await launch('name:lost-3', [{ name: 'deploy', body: 'sleep 600', undo: 'true' }])
      await scene.api.until(id, ({ steps: [step] }) => step?.counts['running'] === 1)
      const agent = agents.get('lost-3')
      await agent?.kill()
      expect((await scene.api.ended(id, 75_000)).steps[0]?.counts).toEqual({ unknown: 1 })
      expect(await scene.api.operate(id, include)).toMatchObject({ body: { state: 'accepted' } })
      agent?.reboot()
      agent?.start()
      const view = await undone(id)
      expect(view.steps.map((step) => step.counts)).toEqual([{ unknown: 1 }, { succeeded: 1 }])
      expect(await scene.api.hosts(id)).toMatchObject([{ state: 'unknown', reason: 'rebooted' }])
      expect(await told(id, 'deploy-end', 'lost-3')).toBe(0)
    }, 150_000)
  })

  it('of a paused run is asked for anew where a host is lost in the cancel before it, whatever dies meanwhile', async () => {
    const [lostId, runningId] = [await scene.hostId('lost-1'), await scene.hostId('u-1')]
    const id = await launch('name:u-1,u-2,lost-1', [
      {
        name: 'deploy',
        body: `case $DROVER_HOST in ${lostId}|${runningId}) sleep 600;; esac`,
        undo: 'true',
      },
    ])
    await scene.api.until(
      id,
      ({ steps: [step] }) => step?.counts['running'] === 2 && step.counts['succeeded'] === 1,
    )
    expect(await scene.api.operate(id, { kind: 'pause' })).toMatchObject({ body: { state: 'accepted' } })
    await agents.get('lost-1')?.kill()
    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    scene.platform.child('worker-1').kill('SIGKILL')
    expect(await scene.api.ended(id, 90_000)).toMatchObject({
      state: 'cancelled',
      reason: 'undo_not_begun',
      steps: [{ counts: { succeeded: 1, cancelled: 1, unknown: 1 } }],
    })
    const notes = (await scene.events(id)).flatMap(({ type, body }) => (type === 'note' ? [body] : []))
    expect(notes).toMatchObject([
      { text: expect.stringMatching(/undo was not begun: the outcome of 1 host is unknown \(lost-1\)/) },
    ])
    agents.get('lost-1')?.start()
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['cancelled'] === 2, 30_000)
    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    expect((await undone(id)).steps[1]).toMatchObject({ hosts: 3, counts: { succeeded: 3 } })
    for (const name of ['u-1', 'u-2', 'lost-1'])
      expect([name, await told(id, 'undo-deploy-start', name)]).toEqual([name, 1])
  }, 180_000)

  it('scenario 12: a cancel inside an undo: nothing starts afterwards, and what is left can be resumed', async () => {
    const id = await launch('name:u-1,u-2', [
      { name: 'first', body: 'true', undo: 'true' },
      { name: 'second', body: 'true', undo: 'sleep 600' },
    ])
    await scene.api.ended(id)
    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    await scene.api.until(id, ({ steps }) => steps[2]?.counts['running'] === 2)
    expect((await scene.api.operate(id, { kind: 'cancel' })).status).toBeLessThan(300)
    const view = await scene.api.until(id, (now) => now.reason === 'undo_cancelled', 30_000)
    expect(view).toMatchObject({ state: 'cancelled' })
    expect(view.steps.map((step) => step.state)).toEqual(['succeeded', 'succeeded', 'cancelled', 'cancelled'])
    scene.platform.child('gateway-1').kill('SIGKILL')
    await pause(3_000)
    await scene.connected('u-1')
    for (const name of ['u-1', 'u-2']) {
      expect(await told(id, 'undo-second-start', name)).toBe(1)
      expect(await told(id, 'undo-second-end', name)).toBe(0)
      expect(await told(id, 'undo-first-start', name)).toBe(0)
    }
    expect(await scene.api.operate(id, { kind: 'skip', step: 2 })).toMatchObject({
      body: { state: 'accepted' },
    })
    await undone(id)
    for (const name of ['u-1', 'u-2']) expect(await told(id, 'undo-first-start', name)).toBe(1)
  }, 120_000)

  it('scenario 23: a host that was away when its run was undone gets nothing when it returns, and says why', async () => {
    const away = agents.get('lost-2')
    await away?.kill()
    await scene.connected('lost-2', false)
    const id = await launch('name:u-1,lost-2', [
      { name: 'first', body: 'true', undo: 'true' },
      { name: 'second', body: 'true', undo: 'true' },
    ])
    await scene.api.until(id, ({ steps: [step] }) => step?.counts['succeeded'] === 1)
    await scene.api.operate(id, { kind: 'cancel' })
    await scene.api.ended(id)
    expect(await scene.api.operate(id, { kind: 'undo' })).toMatchObject({ body: { state: 'accepted' } })
    const view = await undone(id)
    expect(view.steps[3]).toMatchObject({ hosts: 1, counts: { succeeded: 1 } })
    away?.start()
    await scene.connected('lost-2')
    await pause(2_000)
    for (const word of ['first-start', 'second-start', 'undo-first-start', 'undo-second-start'])
      expect(await told(id, word, 'lost-2')).toBe(0)
    const hostId = await scene.hostId('lost-2')
    const result = (await scene.api.hosts(id)).find((host) => host.hostId === hostId)
    expect(result).toMatchObject({ state: 'cancelled', started: 'no', reason: 'cancelled_by_operator' })
    await scene.expectReplays()
  }, 120_000)
})
