/** Operations on the steps and hosts of a run, on a real platform; what scripts did is told by the files that they wrote. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Platform } from '../../stack/platform/platform'
import { type HostResultView, pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { connected, startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

interface Verdict {
  attempt: number
  state: string
  reason: string | null
}

interface StepPlan {
  name: string
  body: string
  [key: string]: unknown
}

const accepted = { body: { state: 'accepted' } }
const refusedBy = (why: RegExp) => ({
  status: 409,
  body: { code: 'operation_refused', detail: expect.stringMatching(why) },
})
/** Deaf to the polite signal: only the kill after the grace ends it. */
const DEAF = `trap '' TERM; n=0; while [ $n -lt 600 ]; do sleep 0.5; n=$((n+1)); done`
/** Until the file is there. */
const wait = (file: string) => `while [ ! -e ${file} ]; do sleep 0.1; done`

describe('operations on steps', () => {
  let platform: Platform
  let api: TestApi
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 4 })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  const launch = (...steps: StepPlan[]) =>
    api.launch({
      target: '*',
      plan: {
        name: 'operations',
        steps: steps.map(({ body, ...step }) => ({
          language: 'sh',
          script: `${effects.line('start')}\n${body}\n${effects.line('end')}`,
          graceMs: 500,
          ...step,
        })),
      },
    })
  const count = (word: string, id: string, stepId = '') =>
    [...effects.count(id)]
      .filter(([line]) => line.startsWith(`${word} ${id} ${stepId}`))
      .reduce((sum, [, n]) => sum + n, 0)
  /** Starts by step, in order. */
  const starts = async (id: string) =>
    (await api.get(id)).steps.map((step) => count('start', id, `${step.id} `))
  const verdicts = async (id: string, host: HostResultView, position = 0) =>
    (
      await api.insist<{ items: Verdict[] }>(
        'GET',
        `/executions/${id}/steps/${position}/hosts/${host.hostId}/verdicts`,
      )
    ).body.items
  const flag = () => `${effects.folder}/${randomUUID()}`
  /** A word for some hosts only. */
  const on = (hosts: readonly string[], words: string, others = 'true') =>
    `case $DROVER_HOST in ${hosts.join('|')}) ${words};; *) ${others};; esac`
  const hostIds = async () =>
    (await api.insist<{ items: { id: string; name: string }[] }>('GET', '/hosts?limit=1000')).body.items.map(
      (host) => host.id,
    )

  it('keeps the place of a host at work whose agent died, until it is back', async () => {
    const { body } = await api.insist<{ items: { id: string; name: string }[] }>('GET', '/hosts?limit=1000')
    const over = flag()
    const id = await launch({
      name: 'one by one',
      concurrency: 1,
      body: wait(over),
    })
    await api.until(id, (now) => now.steps[0]?.counts.running === 1)
    const running = (await api.hosts(id)).find((host) => host.state === 'running')
    const dead = body.items.find((host) => host.id === running?.hostId)
    if (!dead) throw new Error('nobody runs')
    await platform.child(dead.name).stop()
    // Longer than a session may be away before its host is looked for elsewhere.
    await pause(9_000)
    expect([await starts(id), (await api.get(id)).steps[0]?.counts]).toEqual([
      [1],
      { running: 1, pending: 3 },
    ])
    platform.child(dead.name).start()
    writeFileSync(over, '')
    await api.until(id, (now) => now.state === 'succeeded')
    expect(await starts(id)).toEqual([4])
  }, 60_000)

  it('gives a host that comes back late the first place that is free, while others of the step run on', async () => {
    const { body } = await api.insist<{ items: { id: string; name: string }[] }>('GET', '/hosts?limit=1000')
    const [late, stuck] = body.items
    if (!late || !stuck) throw new Error('there are no hosts')
    const [freed, over] = [flag(), flag()]
    await platform.child(late.name).stop()
    const id = await launch({
      name: 'two at once',
      concurrency: 2,
      body: on([stuck.id], wait(over), wait(freed)),
    })
    await api.until(id, (now) => now.steps[0]?.counts.running === 2)
    platform.child(late.name).start()
    await connected(platform, 4)
    // The look that finds it finds no place.
    await pause(2_500)
    expect((await api.get(id)).steps[0]?.counts).toEqual({ running: 2, pending: 2 })
    writeFileSync(freed, '')
    await api.until(id, (now) => now.steps[0]?.counts.succeeded === 3)
    expect((await api.get(id)).steps[0]?.counts).toEqual({ running: 1, succeeded: 3 })
    writeFileSync(over, '')
    await api.until(id, (now) => now.state === 'succeeded')
    expect(await starts(id)).toEqual([4])
  }, 60_000)

  describe('retry all', () => {
    it('runs every host of the step that failed again, and goes on with the next', async () => {
      const [first = ''] = await hostIds()
      const mended = flag()
      const id = await launch(
        { name: 'breaks on one', body: on([first], `[ -e ${mended} ] || exit 3`) },
        { name: 'after', body: 'true' },
      )
      expect((await api.ended(id)).steps[0]?.counts).toEqual({ failed: 1, succeeded: 3 })
      writeFileSync(mended, '')
      expect(await api.operate(id, { kind: 'retry', all: true })).toMatchObject(accepted)
      const view = await api.until(id, (now) => now.state === 'succeeded')
      await record(platform, id, 'all-retried', { continuation: 1 })
      expect(view.steps.map((step) => step.counts)).toEqual([{ succeeded: 4 }, { succeeded: 4 }])
      expect(await starts(id)).toEqual([8, 4])
      expect((await api.hosts(id)).map((host) => host.attempt)).toEqual([2, 2, 2, 2])
    })

    it('gives a host the first place that is free, while others of the step run on', async () => {
      const [one = '', two = '', ...rest] = await hostIds()
      const [broken, freed, over] = [flag(), flag(), flag()]
      const again = `[ -e ${broken} ] || exit 3; while [ ! -e ${over} ]; do [ "$DROVER_HOST" = ${one} ] && [ -e ${freed} ] && exit 0; sleep 0.1; done`
      const id = await launch({ name: 'two at once', concurrency: 2, body: on([one, two], again) })
      expect((await api.ended(id)).steps[0]?.counts).toEqual({ failed: 2, succeeded: 2 })
      writeFileSync(broken, '')
      expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
      await api.until(id, (now) => now.steps[0]?.counts.running === 2)
      expect(await api.operate(id, { kind: 'retry', all: true, step: 0 })).toMatchObject(accepted)
      await api.until(id, (now) => now.steps[0]?.counts.pending === 2)
      writeFileSync(freed, '')
      await api.until(id, (now) => now.steps[0]?.counts.succeeded === 3)
      expect((await api.get(id)).steps[0]?.counts).toEqual({ running: 1, succeeded: 3 })
      writeFileSync(over, '')
      await api.until(id, (now) => now.state === 'succeeded')
      const ids = new Set(rest)
      const attempts = (await api.hosts(id))
        .filter((host) => ids.has(host.hostId))
        .map((host) => host.attempt)
      expect(attempts).toEqual([2, 2])
      expect(await starts(id)).toEqual([8])
    })

    it('lets hosts that are retried together use places that others of the step leave later', async () => {
      const [one = '', two = '', slow = ''] = await hostIds()
      const [mended, freed, over] = [flag(), flag(), flag()]
      const id = await launch({
        name: 'two at once',
        concurrency: 2,
        body: `case $DROVER_HOST in ${one}|${two}) [ -e ${mended} ] || exit 3; ${wait(over)};; ${slow}) ${wait(freed)};; esac`,
      })
      await api.until(id, (now) => now.steps[0]?.counts.failed === 2 && now.steps[0].counts.succeeded === 1)
      writeFileSync(mended, '')
      // One place is free, and the two go into one shard.
      expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
      await api.until(id, (now) => now.steps[0]?.counts.running === 2)
      expect((await api.get(id)).steps[0]?.counts).toMatchObject({ running: 2, pending: 1 })
      writeFileSync(freed, '')
      await api.until(id, (now) => now.steps[0]?.counts.running === 2 && !now.steps[0].counts.pending)
      writeFileSync(over, '')
      await api.until(id, (now) => now.state === 'succeeded')
      expect(await starts(id)).toEqual([6])
    })

    it('runs a named step of a good run again, and nothing after it', async () => {
      const id = await launch({ name: 'first', body: 'true' }, { name: 'second', body: 'true' })
      await api.ended(id)
      expect(await api.operate(id, { kind: 'retry', step: 0 })).toMatchObject(
        refusedBy(/nobody|no host of step 1/),
      )
      expect(await api.operate(id, { kind: 'retry', all: true })).toMatchObject(refusedBy(/say which step/))
      expect(await api.operate(id, { kind: 'retry', all: true, step: 0 })).toMatchObject(accepted)
      await api.until(id, (now) => now.state === 'succeeded' && now.continuation === 1)
      expect(await starts(id)).toEqual([8, 4])
    })

    it('runs hosts of the running step again that are done, and leaves those alone that run', async () => {
      const [slow = ''] = await hostIds()
      const go = flag()
      const id = await launch({
        name: 'one is slow',
        body: on([slow], `while [ ! -e ${go} ]; do sleep 0.1; done`),
      })
      await api.until(
        id,
        ({ steps: [step] }) => step?.counts['succeeded'] === 3 && step.counts['running'] === 1,
      )
      expect(await api.operate(id, { kind: 'retry' })).toMatchObject(
        refusedBy(/no host of the running step has failed/),
      )
      expect(await api.operate(id, { kind: 'retry', all: true })).toMatchObject(accepted)
      await api.until(id, ({ steps: [step] }) => step?.counts['succeeded'] === 3 && count('start', id) === 7)
      writeFileSync(go, '')
      expect(await api.ended(id)).toMatchObject({
        state: 'succeeded',
        continuation: 0,
        steps: [{ counts: { succeeded: 4 } }],
      })
      expect([await starts(id), count('end', id)]).toEqual([[7], 7])
    })
  })

  describe('a skip of hosts', () => {
    it('keeps those from starting that wait for the limit of the step, and refuses the one that runs', async () => {
      const go = flag()
      const id = await launch({
        name: 'one by one',
        body: `while [ ! -e ${go} ]; do sleep 0.1; done`,
        concurrency: 1,
      })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
      const hosts = await api.hosts(id)
      const running = hosts.find((host) => host.state === 'running')?.hostName ?? ''
      const [second, third] = hosts.filter((host) => host.state === 'pending')
      const skip = (...names: string[]) => api.operate(id, { kind: 'skip', step: 0, hosts: names })
      expect(await skip(second?.hostName ?? '', running)).toMatchObject(
        refusedBy(new RegExp(`${running} runs`)),
      )
      expect(await skip('nobody')).toMatchObject(refusedBy(/not among the hosts of step 1: nobody/))
      expect(await skip(second?.hostName ?? '', `id:${third?.hostId}`)).toMatchObject(accepted)
      expect((await api.get(id)).steps[0]?.counts).toEqual({ running: 1, skipped: 2, pending: 1 })
      writeFileSync(go, '')
      const view = await api.ended(id)
      await record(platform, id, 'hosts-skipped')
      expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 2, skipped: 2 } }] })
      expect(await starts(id)).toEqual([2])
      const left = (await api.hosts(id)).filter((host) => host.state === 'skipped')
      expect(left.map((host) => [host.attempt, host.started, host.reason])).toEqual([
        [1, 'no', 'host_skipped'],
        [1, 'no', 'host_skipped'],
      ])
    })

    it('takes failed hosts out of the verdict; the run goes on once nobody bad is left', async () => {
      const bad = (await hostIds()).slice(0, 2)
      const id = await launch(
        { name: 'breaks on two', body: on(bad, 'exit 3') },
        { name: 'after', body: 'true' },
      )
      await api.ended(id)
      const [one, two] = (await api.hosts(id)).filter((host) => host.state === 'failed')
      const operationId = randomUUID()
      const skip = (host: HostResultView | undefined, more = {}) =>
        api.operate(id, { kind: 'skip', step: 0, hosts: [host?.hostName], ...more })
      expect(await skip(one, { operationId })).toMatchObject(accepted)
      expect(await skip(one, { operationId })).toMatchObject(accepted)
      expect(await skip(one)).toMatchObject(refusedBy(/is left out already/))
      expect(await api.get(id)).toMatchObject({
        state: 'failed',
        continuation: 0,
        steps: [{ state: 'failed', counts: { succeeded: 2, failed: 1, skipped: 1 } }, { state: 'pending' }],
      })
      expect(await skip(two)).toMatchObject(accepted)
      const view = await api.until(id, (now) => now.state === 'succeeded')
      expect(view.steps.map((step) => [step.state, step.counts])).toEqual([
        ['succeeded', { succeeded: 2, skipped: 2 }],
        ['succeeded', { succeeded: 4 }],
      ])
      expect(await starts(id)).toEqual([4, 4])
      expect(await verdicts(id, one!)).toMatchObject([
        { attempt: 1, state: 'failed' },
        { attempt: 2, state: 'skipped', reason: 'host_skipped' },
      ])
    })

    it('takes a failed host out of the verdict while the step still runs', async () => {
      const [bad = '', slow = ''] = await hostIds()
      const go = flag()
      const body = `${on([bad], 'exit 3')}\n${on([slow], `while [ ! -e ${go} ]; do sleep 0.1; done`)}`
      const id = await launch({ name: 'mixed', body })
      await api.until(id, ({ steps: [step] }) => step?.counts['failed'] === 1 && step.counts['running'] === 1)
      expect(await api.operate(id, { kind: 'skip', step: 0, hosts: [`id:${bad}`] })).toMatchObject(accepted)
      writeFileSync(go, '')
      expect(await api.ended(id)).toMatchObject({
        state: 'succeeded',
        steps: [{ state: 'succeeded', counts: { succeeded: 3, skipped: 1 } }],
      })
      expect(await starts(id)).toEqual([4])
    })
  })

  describe('ignore', () => {
    it('lets an ended run go on after its failed step; the hosts keep their states', async () => {
      const id = await launch({ name: 'fails', body: 'exit 1' }, { name: 'after', body: 'true' })
      await api.ended(id)
      expect(await api.operate(id, { kind: 'ignore', step: 1 })).toMatchObject(refusedBy(/has not begun/))
      expect(await api.operate(id, { kind: 'ignore', step: 0, why: 'known' })).toMatchObject(accepted)
      const view = await api.until(id, (now) => now.state === 'succeeded')
      expect(view.steps.map((step) => [step.state, step.reason, step.counts])).toEqual([
        ['ignored', 'failure_ignored', { failed: 4 }],
        ['succeeded', null, { succeeded: 4 }],
      ])
      expect(await starts(id)).toEqual([4, 4])
      // Said once, it holds when they fail again.
      expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
      await api.until(id, (now) => now.state === 'succeeded' && now.continuation === 2)
      expect(await starts(id)).toEqual([8, 4])
    })

    it('of the step that runs lets the run go on when hosts of it have failed', async () => {
      const go = flag()
      const id = await launch(
        { name: 'fails late', body: `while [ ! -e ${go} ]; do sleep 0.1; done; exit 1` },
        { name: 'after', body: 'true' },
      )
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      expect(await api.operate(id, { kind: 'ignore', step: 0 })).toMatchObject(accepted)
      expect(await api.operate(id, { kind: 'ignore', step: 0 })).toMatchObject(refusedBy(/ignored already/))
      writeFileSync(go, '')
      const view = await api.ended(id)
      await record(platform, id, 'ignored-while-running')
      expect(view).toMatchObject({
        state: 'succeeded',
        steps: [{ state: 'ignored' }, { state: 'succeeded' }],
      })
    })
  })

  describe('next', () => {
    it('ends what is left of a step whose hosts hang, deaf to the polite signal, and acts once', async () => {
      const id = await launch(
        { name: 'hangs', body: DEAF, concurrency: 3, graceMs: 1_500 },
        { name: 'after', body: 'sleep 2' },
        { name: 'last', body: 'true' },
      )
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 3)
      const operationId = randomUUID()
      const next = { kind: 'next', why: 'it hangs', operationId }
      expect(await api.operate(id, next)).toMatchObject(accepted)
      expect((await api.get(id)).steps[0]).toMatchObject({
        state: 'cancelling',
        reason: expect.stringMatching(/^by /),
      })
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(refusedBy(/being ended already/))
      await api.until(id, (view) => (view.steps[1]?.counts['running'] ?? 0) > 0, 20_000)
      // The same one again is not one for the step that runs now; nor is another one that means the first step.
      expect(await api.operate(id, { kind: 'next', step: 0 })).toMatchObject(
        refusedBy(/step 1 is ignored: the run has gone on/),
      )
      expect(await api.operate(id, next)).toMatchObject(accepted)
      const view = await api.ended(id)
      await record(platform, id, 'next-step')
      expect(view).toMatchObject({ state: 'succeeded', continuation: 0, reason: null })
      expect(view.steps.map((step) => [step.state, step.reason, step.counts])).toEqual([
        ['ignored', 'step_ended', { cancelled: 4 }],
        ['succeeded', null, { succeeded: 4 }],
        ['succeeded', null, { succeeded: 4 }],
      ])
      const hosts = await api.hosts(id)
      expect(hosts.map((host) => `${host.started} ${host.reason}`).sort()).toEqual([
        'no step_ended',
        'yes step_ended',
        'yes step_ended',
        'yes step_ended',
      ])
      expect([await starts(id), count('end', id, `${view.steps[0]?.id} `)]).toEqual([[3, 4, 4], 0])
      const { body } = await api.insist<{ items: { type: string; body: Record<string, unknown> }[] }>(
        'GET',
        `/executions/${id}/events?limit=1000`,
      )
      const log = body.items.filter((event) => event.type === 'operation')
      expect(log[0]?.body).toMatchObject({
        kind: 'next',
        by: expect.any(String),
        state: 'accepted',
        args: { why: 'it hangs' },
      })
    })

    it('goes on without a host that is away; it is told to stop when it comes back', async () => {
      const away = platform.hosts[3]!.name
      const id = await launch({ name: 'hangs', body: 'sleep 300' }, { name: 'after', body: 'true' })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      await platform.child(away).stop()
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(accepted)
      await api.until(id, (view) => view.steps[1]?.counts['succeeded'] === 3, 40_000)
      expect((await api.get(id)).steps[0]).toMatchObject({
        state: 'ignored',
        counts: { cancelled: 3, unknown: 1 },
      })
      platform.child(away).start()
      const view = await api.ended(id)
      expect(view).toMatchObject({ state: 'succeeded', steps: [{}, { counts: { succeeded: 4 } }] })
      const told = await api.until(id, ({ steps: [step] }) => step?.counts['cancelled'] === 4)
      expect(told.state).toBe('succeeded')
      const host = (await api.hosts(id)).find(({ hostName }) => hostName === away)
      expect(await verdicts(id, host!)).toMatchObject([
        { state: 'unknown', reason: 'agent_lost' },
        { state: 'cancelled', reason: 'step_ended' },
      ])
      expect([await starts(id), count('end', id, `${view.steps[0]?.id} `)]).toEqual([[4, 4], 0])
    }, 120_000)

    it('takes a paused run on, and one that was cancelled, past the step that it stood at', async () => {
      const id = await launch(
        { name: 'hangs', body: 'sleep 300' },
        { name: 'after', body: DEAF, graceMs: 4_000 },
        { name: 'last', body: 'true' },
      )
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      await api.operate(id, { kind: 'pause' })
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(accepted)
      await api.until(id, (view) => view.steps[1]?.counts['running'] === 4)
      await api.operate(id, { kind: 'cancel' })
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(
        refusedBy(/is being cancelled: when it has ended|no step|succeeded/),
      )
      await api.ended(id)
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(accepted)
      const view = await api.until(id, (now) => now.state === 'succeeded')
      await record(platform, id, 'next-after-a-cancel', { continuation: 1 })
      expect(view.steps.map((step) => [step.state, step.counts])).toEqual([
        ['ignored', { cancelled: 4 }],
        ['ignored', { cancelled: 4 }],
        ['succeeded', { succeeded: 4 }],
      ])
      expect([await starts(id), count('end', id)]).toEqual([[4, 4, 4], 4])
    })

    it('ends a wait', async () => {
      const id = await api.launch({
        target: '*',
        plan: {
          name: 'waits',
          steps: [
            { type: 'wait', name: 'an hour', durationMs: 3_600_000 },
            { name: 'after', language: 'sh', script: effects.line('start') },
          ],
        },
      })
      await api.until(id, (view) => view.state === 'waiting')
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(accepted)
      expect(await api.ended(id)).toMatchObject({ state: 'succeeded', steps: [{ state: 'skipped' }, {}] })
    })

    it('is overruled by a cancel while hosts are still being stopped', async () => {
      const id = await launch({ name: 'hangs', body: DEAF, graceMs: 4_000 }, { name: 'never', body: 'true' })
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      expect(await api.operate(id, { kind: 'next' })).toMatchObject(accepted)
      expect(await api.operate(id, { kind: 'cancel' })).toMatchObject(accepted)
      const view = await api.ended(id, 30_000)
      expect(view).toMatchObject({
        state: 'cancelled',
        steps: [{ state: 'cancelled' }, { state: 'cancelled' }],
      })
      expect([await starts(id), count('end', id)]).toEqual([[4, 0], 0])
      // Its retry is held up by nothing that next has left.
      expect(await api.operate(id, { kind: 'skip', step: 0 })).toMatchObject(accepted)
      await api.until(id, (now) => now.state === 'succeeded')
      expect(await starts(id)).toEqual([4, 4])
    })

    it('leaves a step that can be retried later', async () => {
      const mended = flag()
      const id = await launch(
        { name: 'hangs', body: `[ -e ${mended} ] || sleep 300` },
        { name: 'after', body: 'true' },
      )
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
      await api.operate(id, { kind: 'next' })
      await api.ended(id)
      writeFileSync(mended, '')
      expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
      const view = await api.until(id, (now) => now.state === 'succeeded' && now.continuation === 1)
      expect(view.steps[0]).toMatchObject({ state: 'succeeded', counts: { succeeded: 4 } })
      expect(await starts(id)).toEqual([8, 4])
    })
  })

  it('asks a condition again when hosts before it are retried, and runs nothing else again', async () => {
    const [bad = ''] = await hostIds()
    const mended = flag()
    const id = await launch(
      { name: 'deploy', body: on([bad], `[ -e ${mended} ] || exit 3`), onFailure: 'ignore' },
      {
        name: 'all well',
        body: 'true',
        when: 'steps.deploy.failed == 0',
        retry: { attempts: 1, backoffMs: 0 },
      },
      { name: 'never', body: 'true', when: 'steps.deploy.failed > 5' },
      { name: 'last', body: 'true' },
    )
    await api.ended(id)
    expect(await starts(id)).toEqual([4, 0, 0, 4])
    writeFileSync(mended, '')
    expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
    const view = await api.until(id, (now) => now.state === 'succeeded' && now.continuation === 1)
    await record(platform, id, 'asked-again', { continuation: 1 })
    expect(view.steps.map((step) => [step.state, step.reason])).toEqual([
      ['succeeded', null],
      ['succeeded', null],
      ['skipped', 'condition_not_met'],
      ['succeeded', null],
    ])
    expect(await starts(id)).toEqual([5, 4, 0, 4])
  })

  it('refuses what cannot be, and tells which field belongs to what', async () => {
    const id = await launch({ name: 'only', body: 'true' })
    await api.ended(id)
    const bad = [
      { kind: 'skip' },
      { kind: 'ignore' },
      { kind: 'next', hosts: ['a'] },
      { kind: 'retry', hosts: ['a'] },
      { kind: 'resume', step: 0 },
      { kind: 'skip', step: 0, all: true },
      { kind: 'next', script: 'true' },
      { kind: 'skip', step: 0, hosts: [] },
      { kind: 'skip', step: 0, hosts: Array.from({ length: 1_001 }, (_, n) => `web-${n}`) },
      { kind: 'retry', script: '' },
    ]
    for (const body of bad)
      expect([body, await api.operate(id, body)]).toMatchObject([
        body,
        { status: 400, body: { code: 'request_invalid' } },
      ])
    const large = await api.operate(id, { kind: 'retry', all: true, script: `#${'x'.repeat(1 << 20)}` })
    expect(large).toMatchObject({ status: 413, body: { code: 'script_too_large' } })
    const operationId = randomUUID()
    expect(await api.operate(id, { kind: 'retry', all: true, step: 0, operationId })).toMatchObject(accepted)
    expect(await api.operate(id, { kind: 'retry', all: true, operationId })).toMatchObject({
      status: 409,
      body: { code: 'idempotency_conflict' },
    })
    await api.until(id, (now) => now.continuation === 1 && now.state === 'succeeded')
    await pause(500)
    expect(await starts(id)).toEqual([2 * 4])
  })
})
