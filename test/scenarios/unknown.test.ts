/** Scenarios about what nobody can know, and what becomes known late. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { dispatchId } from '../../proto/index'
import { pause } from '../helpers/api'
import { eventually, Scene } from '../helpers/scene'

const LOST_AFTER_MS = 3_000

describe('an unknown outcome', () => {
  let scene: Scene
  let gateway: string

  beforeAll(async () => {
    scene = await Scene.start({ env: { worker: { DROVER_LOST_AFTER_MS: String(LOST_AFTER_MS) } } })
    gateway = await scene.gateway('gateway-1')
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const result = async (id: string, hostId: string) =>
    (await scene.api.hosts(id)).find((host) => host.hostId === hostId)

  /** The command line, to its end. */
  function cli(args: string[]): Promise<{ code: number | null; out: string }> {
    const program = path.join(__dirname, '../../cli/bin/drover.cjs')
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env['PATH'], DROVER_URL: scene.platform.url, DROVER_TOKEN: scene.platform.token },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (out += String(text)))
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, out })))
  }

  it('scenario 14: after a reboot nothing is run again, before its start was seen or after', async () => {
    const agent = await scene.agent('rebooted', gateway, { DROVER_AGENT_MAX_TASKS: '1' })
    const hostId = await scene.hostId('rebooted')
    const started = await scene.launch('name:rebooted', 'sleep 300')
    await scene.api.until(started, (view) => view.steps[0]?.counts['running'] === 1)
    const accepted = await scene.launch('name:rebooted', 'true')
    const view = await scene.api.until(accepted, (now) => now.steps[0]?.counts['dispatched'] === 1)
    const folder = agent.task(dispatchId(view.steps[0]?.id ?? '', 1, hostId))
    await eventually('intent', () => (existsSync(path.join(folder, 'intent.json')) ? true : undefined))
    expect(existsSync(path.join(folder, 'claim-1'))).toBe(false)
    await agent.kill()
    agent.reboot()
    agent.start()
    for (const id of [started, accepted]) {
      const end = await scene.api.ended(id, 20_000)
      expect(end).toMatchObject({ state: 'failed', steps: [{ counts: { unknown: 1 } }] })
      expect(await result(id, hostId)).toMatchObject({ started: 'maybe', reason: 'rebooted' })
      expect((await scene.api.operate(id, { kind: 'retry' })).body.code).toBe('operation_refused')
    }
    await agent.kill()
    agent.start()
    await scene.connected('rebooted')
    await pause(1_000)
    expect([scene.starts(started), scene.starts(accepted)]).toEqual([1, 0])
    expect([scene.ends(started), scene.ends(accepted)]).toEqual([0, 0])
  }, 90_000)

  it('scenario 15: a host that was given up tells three hours later: amended once, and noticed once', async () => {
    const agent = await scene.agent('away', gateway)
    const hostId = await scene.hostId('away')
    const script = [scene.effects.line('start'), 'sleep 8', scene.effects.line('end')].join('\n')
    const followed = cli(['run', '-t', 'name:away', '--name', 'away', '--', script])
    const id = await eventually('the run', async () => {
      for await (const run of scene.drover.executions()) return run.name === 'away' ? run.id : undefined
      return undefined
    })
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await agent.kill()
    expect((await followed).code).toBe(6)
    expect(await result(id, hostId)).toMatchObject({ state: 'unknown', reason: 'agent_lost' })
    await eventually('the script ends', () => (scene.ends(id) === 1 ? true : undefined))
    // Three hours, without waiting for them: what was said is made that much older.
    await scene.pool.query(
      `update host_result set ended_at = ended_at - interval '3 hours' where execution_id = $1`,
      [id],
    )
    agent.start()
    await scene.api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 1, 20_000)
    expect(await result(id, hostId)).toMatchObject({
      state: 'succeeded',
      exitCode: 0,
      resolvedAt: expect.any(String),
    })
    expect((await scene.api.get(id)).state).toBe('failed')
    const events = await scene.events(id)
    const finals = events.filter(
      ({ type, body }) =>
        type === 'execution' && ['failed', 'succeeded', 'cancelled'].includes(String(body['state'])),
    )
    expect(finals).toHaveLength(1)
    expect(events.at(-1)).toMatchObject({
      type: 'hosts',
      body: { changes: [{ hostId, state: 'succeeded', amended: true }] },
    })
    const verdicts = await scene.drover.verdicts(id, 0, hostId)
    expect(verdicts).toMatchObject([
      { attempt: 1, state: 'unknown', reason: 'agent_lost', amended: false },
      { attempt: 1, state: 'succeeded', exitCode: 0, amended: true },
    ])
    const [first, second] = verdicts.map((verdict) => Date.parse(verdict.at ?? ''))
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(3 * 3_600_000)
    const shown = await cli(['runs', 'verdicts', id, 'away'])
    expect(shown.out).toMatch(/unknown .*agent_lost[^]*succeeded \(amended\)/)
    expect([scene.starts(id), scene.ends(id)]).toEqual([1, 1])
  }, 90_000)

  it('scenario 15: an attempt that a retry has replaced is amended, too', async () => {
    const agent = await scene.agent('replaced', gateway)
    const hostId = await scene.hostId('replaced')
    const id = await scene.launch('name:replaced', 'sleep 6')
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await agent.kill()
    await scene.api.ended(id, 20_000)
    const retry = { kind: 'retry', includeUnknown: true, unknownHosts: 1 }
    expect((await scene.api.operate(id, retry)).status).toBeLessThan(300)
    await eventually('the first script ends', () => (scene.ends(id) === 1 ? true : undefined))
    agent.start()
    await scene.api.until(id, (view) => view.state === 'succeeded', 30_000)
    expect(await scene.drover.verdicts(id, 0, hostId)).toMatchObject([
      { attempt: 1, state: 'unknown', reason: 'agent_lost' },
      { attempt: 1, state: 'succeeded', amended: true },
      { attempt: 2, state: 'succeeded', amended: false },
    ])
    expect(scene.starts(id)).toBe(2)
  }, 90_000)

  it('scenario 16: "retry failed" leaves out what is unknown, also while it becomes known', async () => {
    const [failing, away] = [await scene.agent('fails', gateway), await scene.agent('resolves', gateway)]
    const [failingId, awayId] = [await scene.hostId('fails'), await scene.hostId('resolves')]
    const body = `[ $DROVER_HOST = ${failingId} ] && exit 3\nsleep 5`
    const id = await scene.launch('name:fails,resolves', body)
    await scene.api.until(
      id,
      ({ steps: [step] }) => step?.counts['failed'] === 1 && step.counts['running'] === 1,
    )
    await away.kill()
    const ended = await scene.api.ended(id, 20_000)
    expect(ended.steps[0]?.counts).toEqual({ failed: 1, unknown: 1 })
    await eventually('the script ends', () => (scene.ends(id, awayId) === 1 ? true : undefined))

    const named = { kind: 'retry', includeUnknown: true }
    expect((await scene.api.operate(id, named)).status).toBe(400)
    const miscounted = await scene.api.operate(id, { ...named, unknownHosts: 2 })
    expect(miscounted.body).toMatchObject({ code: 'operation_refused' })

    // The answer arrives while the retry is pressed, again and again.
    away.start()
    let retries = 0
    for (let resolved = false; !resolved; ) {
      const answer = await scene.api.operate(id, { kind: 'retry' })
      if (answer.status < 300) retries++
      resolved = (await result(id, awayId))?.state === 'succeeded'
    }
    await scene.api.ended(id, 30_000)
    expect(await result(id, awayId)).toMatchObject({ state: 'succeeded', attempt: 1 })
    // What was counted before it became known is about another host by now: nothing is done.
    const late = await scene.api.operate(id, { ...named, unknownHosts: 1 })
    expect(late.body).toMatchObject({ code: 'operation_refused' })
    expect(retries).toBeGreaterThan(0)
    expect(scene.starts(id, failingId)).toBe(1 + retries)
    expect([scene.starts(id, awayId), scene.ends(id, awayId)]).toEqual([1, 1])
    await failing.kill()
  }, 90_000)

  it('scenario 16: a retry of all, and a skip of hosts, leave out what is unknown, too', async () => {
    const [well, away] = [await scene.agent('well', gateway), await scene.agent('silent', gateway)]
    const [wellId, awayId] = [await scene.hostId('well'), await scene.hostId('silent')]
    const id = await scene.launch('name:well,silent', `[ $DROVER_HOST = ${wellId} ] || sleep 300`)
    await scene.api.until(
      id,
      ({ steps: [step] }) => step?.counts['succeeded'] === 1 && step.counts['running'] === 1,
    )
    await away.kill()
    expect((await scene.api.ended(id, 20_000)).steps[0]?.counts).toEqual({ succeeded: 1, unknown: 1 })
    const skipped = await scene.api.operate(id, { kind: 'skip', step: 0, hosts: ['silent'] })
    expect(skipped.body).toMatchObject({
      code: 'operation_refused',
      detail: expect.stringContaining('silent may have run, nobody knows'),
    })
    expect((await scene.api.operate(id, { kind: 'retry', all: true })).status).toBeLessThan(300)
    await scene.api.until(id, (view) => view.state === 'failed' && view.continuation === 1, 20_000)
    expect(await result(id, awayId)).toMatchObject({ state: 'unknown', attempt: 1 })
    expect([scene.starts(id, wellId), scene.starts(id, awayId)]).toEqual([2, 1])
    const named = { kind: 'retry', all: true, includeUnknown: true }
    expect((await scene.api.operate(id, { ...named, unknownHosts: 2 })).body).toMatchObject({
      code: 'operation_refused',
    })
    away.killScripts()
    away.start()
    expect((await scene.api.operate(id, { ...named, unknownHosts: 1 })).status).toBeLessThan(300)
    await scene.api.until(id, () => scene.starts(id, awayId) === 2, 20_000)
    await scene.api.operate(id, { kind: 'cancel' })
    await scene.api.ended(id, 20_000)
    expect([scene.starts(id, wellId), scene.starts(id, awayId)]).toEqual([3, 2])
    await well.kill()
  }, 90_000)

  it('scenario 17: a re-imaged host is a new identity, and what the old one was sent stays lost', async () => {
    const agent = await scene.agent('reimaged', gateway)
    const old = await scene.hostId('reimaged')
    const id = await scene.launch('name:reimaged', 'sleep 300')
    await scene.api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await agent.kill()
    agent.killScripts()
    agent.wipe()
    await scene.drover.revokeHost(old, { reimaged: true })
    const end = await scene.api.ended(id, 20_000)
    expect(end).toMatchObject({ state: 'failed', steps: [{ counts: { unknown: 1 } }] })
    await scene.agent('reimaged', gateway)
    expect(await scene.hostId('reimaged')).not.toBe(old)
    const next = await scene.launch('name:reimaged', 'true')
    expect((await scene.api.ended(next, 20_000)).state).toBe('succeeded')
    expect(await scene.api.hosts(id)).toMatchObject([
      { hostId: old, state: 'unknown', started: 'maybe', reason: 'journal_lost' },
    ])
    expect([scene.starts(id), scene.ends(id), scene.starts(next)]).toEqual([1, 0, 1])
  }, 90_000)

  it('every history that was made here replays', () => scene.expectReplays(), 60_000)
})
