/** Retries and resumes with an edited script: each attempt runs the text that it says, and no other, counted from what scripts wrote. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Client, Connection } from '@temporalio/client'
import type { Platform } from '../../stack/platform/platform'
import { createPool } from '../../store/postgres/pool'
import { type HostResultView, pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const accepted = { body: { state: 'accepted' } }

type Ran = HostResultView & { scriptSha256: string }

describe('an edited script', () => {
  let platform: Platform
  let api: TestApi
  let client: Client
  const effects = new Effects()

  beforeAll(async () => {
    // Each run's history is continued as a new one within its steps.
    platform = await startTestPlatform({ agents: 4, env: { worker: { DROVER_HISTORY_MAX_EVENTS: '40' } } })
    api = new TestApi(platform)
    const address = platform.env['DROVER_TEMPORAL_ADDRESS'] ?? ''
    client = new Client({ connection: await Connection.connect({ address }) })
  }, 120_000)

  afterAll(async () => {
    await client?.connection.close()
    await platform?.close()
    effects.remove()
  }, 60_000)

  /** A text that tells which one it is. */
  const text = (word: string, body = 'true') =>
    `${effects.line(word)}\n${body}\n${effects.line(`${word}-end`)}\n`
  const step = (script: string, more: object = {}) => ({
    name: 'only',
    language: 'sh',
    graceMs: 500,
    script,
    ...more,
  })
  const launch = (...steps: object[]) => api.launch({ target: '*', plan: { name: 'edited', steps } })
  const hosts = async (id: string, position = 0) => (await api.hosts(id, position)) as Ran[]
  const count = (id: string, word: string, hostId = '') =>
    [...effects.count(id)]
      .filter(([line]) => line.startsWith(`${word} `) && line.endsWith(hostId ? ` ${hostId}` : ''))
      .reduce((sum, [, n]) => sum + n, 0)
  const scriptOf = async (id: string, host: Ran, attempt?: number) =>
    (
      await api.insist<{ sha256: string; content: string; code?: string }>(
        'GET',
        `/executions/${id}/steps/0/script?hostId=${host.hostId}${attempt ? `&attempt=${attempt}` : ''}`,
      )
    ).body
  const on = (hostIds: readonly string[], words: string, others = 'true') =>
    `case $DROVER_HOST in ${hostIds.join('|')}) ${words};; *) ${others};; esac`
  const hostIds = async () =>
    (await api.insist<{ items: { id: string }[] }>('GET', '/hosts?limit=1000')).body.items.map(
      (host) => host.id,
    )

  /** Every history of a run, in one text. */
  async function historiesOf(id: string): Promise<string> {
    const texts: string[] = []
    for await (const { workflowId, runId } of client.workflow.list({
      query: `WorkflowId STARTS_WITH "execution/default/${id}"`,
    })) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory()
      texts.push(
        JSON.stringify(history.events, (_, value) =>
          value?.type === 'Buffer' || value instanceof Uint8Array ? Buffer.from(value).toString() : value,
        ),
      )
    }
    return texts.join('\n')
  }

  it('is run by the hosts that are retried; each attempt says what it ran, and no log keeps the text', async () => {
    const [bad = ''] = await hostIds()
    const first = text('a', on([bad], 'exit 3'))
    const second = text('b', 'echo canary-77c1')
    const id = await launch(step(first), step(text('after'), { name: 'after' }))
    await api.ended(id)
    const operationId = randomUUID()
    const retry = { kind: 'retry', script: second, operationId, why: 'mended' }
    const answers = await Promise.all([api.operate(id, retry), api.operate(id, retry)])
    expect(answers).toMatchObject([accepted, accepted])
    await api.until(id, (view) => view.state === 'succeeded')
    await record(platform, id, 'edited-retry', { continuation: 1 })
    expect(await api.operate(id, retry)).toMatchObject(accepted)
    expect([count(id, 'a'), count(id, 'b'), count(id, 'b', bad), count(id, 'after')]).toEqual([4, 1, 1, 4])
    for (const host of await hosts(id)) {
      const isBad = host.hostId === bad
      expect([host.attempt, host.scriptSha256]).toEqual(isBad ? [2, sha256(second)] : [1, sha256(first)])
      expect((await scriptOf(id, host)).content).toBe(isBad ? second : first)
      expect(await scriptOf(id, host, 1)).toMatchObject({ content: first, sha256: sha256(first) })
      if (!isBad) expect(await scriptOf(id, host, 2)).toMatchObject({ code: 'host_unknown' })
    }
    const { body } = await api.insist<{ items: object[] }>(
      'GET',
      `/executions/${id}/steps/0/hosts/${bad}/verdicts`,
    )
    expect(body.items).toMatchObject([
      { attempt: 1, state: 'failed', scriptSha256: sha256(first) },
      { attempt: 2, state: 'succeeded', scriptSha256: sha256(second) },
    ])
    const { body: log } = await api.insist<{ items: object[] }>('GET', `/executions/${id}/operations`)
    expect(log.items).toMatchObject([
      { kind: 'retry', args: { scriptSha256: sha256(second), why: 'mended' } },
    ])
    const pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 1)
    try {
      const kept = await pool.query(
        `select 'audit' as at from audit where detail::text like '%canary-77c1%'
         union all select 'operation' from operation where args::text like '%canary-77c1%'
         union all select 'event' from event where body::text like '%canary-77c1%'`,
      )
      expect(kept.rows).toEqual([])
      const audited = await pool.query(`select from audit where detail->>'scriptSha256' = $1`, [
        sha256(second),
      ])
      expect(audited.rowCount).toBeGreaterThan(0)
    } finally {
      await pool.end()
    }
    const histories = await historiesOf(id)
    expect(histories).toContain('executePlan')
    expect(histories).not.toContain('canary-77c1')
    expect(histories).not.toContain('mended')
  })

  it('is run by the rest of a paused run, and by nobody who was sent the first one', async () => {
    const go = `${effects.folder}/${randomUUID()}`
    const first = text('a', `while [ ! -e ${go} ]; do sleep 0.1; done`)
    const second = text('b')
    const id = await launch(step(first, { concurrency: 1 }))
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await api.operate(id, { kind: 'pause' })
    expect(await api.operate(id, { kind: 'resume', script: second, step: 1 })).toMatchObject({
      body: { code: 'operation_refused', detail: expect.stringContaining('there is no step 2') },
    })
    expect(await api.operate(id, { kind: 'resume', script: second })).toMatchObject(accepted)
    writeFileSync(go, '')
    const view = await api.ended(id)
    await record(platform, id, 'edited-resume')
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
    expect([count(id, 'a'), count(id, 'b')]).toEqual([1, 3])
    const ran = (await hosts(id))
      .map((host) => [host.attempt, host.scriptSha256] as const)
      .sort(([a], [b]) => a - b)
    expect(ran).toEqual([
      [1, sha256(first)],
      [2, sha256(second)],
      [2, sha256(second)],
      [2, sha256(second)],
    ])
  })

  it('is run by what a cancel left, and by later retries that bring none', async () => {
    const first = text('a', 'sleep 300')
    const second = text('b', 'exit 5')
    const id = await launch(step(first, { concurrency: 2 }))
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    await api.operate(id, { kind: 'cancel' })
    await api.ended(id)
    expect(await api.operate(id, { kind: 'resume', script: second })).toMatchObject(accepted)
    await api.until(id, (view) => view.state === 'failed' && view.continuation === 1)
    expect([count(id, 'a'), count(id, 'b')]).toEqual([2, 2])
    expect(
      await api.operate(id, { kind: 'skip', step: 0, hosts: await idsIn(id, 'cancelled') }),
    ).toMatchObject(accepted)
    expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
    await api.until(id, (view) => view.state === 'failed' && view.continuation === 2)
    expect([count(id, 'a'), count(id, 'b')]).toEqual([2, 4])
  })

  const idsIn = async (id: string, state: string) =>
    (await hosts(id)).flatMap((host) => (host.state === state ? `id:${host.hostId}` : []))

  it('stays with its attempts when gateway and worker die and the history goes on as a new one', async () => {
    const fast = (await hostIds()).slice(0, 2)
    const go = `${effects.folder}/${randomUUID()}`
    const held = `while [ ! -e ${go} ]; do sleep 0.1; done`
    const first = text('a', on(fast, 'exit 3', held))
    const second = text('b', held)
    const id = await launch(step(first))
    await api.until(id, ({ steps: [only] }) => only?.counts['failed'] === 2 && only.counts['running'] === 2)
    const operationId = randomUUID()
    const retry = { kind: 'retry', script: second, operationId }
    expect(await api.operate(id, retry)).toMatchObject(accepted)
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    for (const name of ['gateway-1', 'worker-1']) {
      platform.child(name).kill('SIGKILL')
      await pause(1_000)
    }
    // Refusals, which leave events until the history is continued.
    for (let n = 0; n < 12; n++) await api.operate(id, { kind: 'retry' })
    expect(await api.operate(id, retry)).toMatchObject(accepted)
    writeFileSync(go, '')
    const view = await api.ended(id)
    expect(view).toMatchObject({ state: 'succeeded', continuation: 0, steps: [{ counts: { succeeded: 4 } }] })
    expect([count(id, 'a'), count(id, 'b'), count(id, 'a-end'), count(id, 'b-end')]).toEqual([4, 2, 2, 2])
    for (const host of await hosts(id)) {
      const isFast = fast.includes(host.hostId)
      expect([host.attempt, host.scriptSha256, count(id, 'b', host.hostId)]).toEqual(
        isFast ? [2, sha256(second), 1] : [1, sha256(first), 0],
      )
    }
    const runs = []
    for await (const run of client.workflow.list({ query: `WorkflowId = "execution/default/${id}"` }))
      runs.push(run)
    expect(runs.length).toBeGreaterThan(1)
    await record(platform, id, 'edited-and-continued')
  }, 120_000)

  it('of more than a page reaches the hosts, too', async () => {
    const second = `${text('b')}${`# ${'x'.repeat(98)}\n`.repeat(5_000)}`
    const id = await launch(step(text('a', 'exit 1')))
    await api.ended(id)
    expect(await api.operate(id, { kind: 'retry', script: second })).toMatchObject(accepted)
    await api.until(id, (view) => view.state === 'succeeded')
    expect([count(id, 'a'), count(id, 'b')]).toEqual([4, 4])
  })

  it('is not taken by a step without one, nor by steps of which none is named', async () => {
    const id = await launch(
      step(text('a', 'exit 1'), { onFailure: 'ignore' }),
      step(text('c', 'exit 1'), { name: 'second' }),
      { type: 'wait', name: 'wait', durationMs: 1_000 },
    )
    await api.ended(id)
    const retry = (more: object) => api.operate(id, { kind: 'retry', script: text('b'), ...more })
    expect(await retry({})).toMatchObject({
      body: { code: 'operation_refused', detail: expect.stringContaining('say whose script') },
    })
    expect(await retry({ step: 2 })).toMatchObject({ body: { code: 'operation_refused' } })
    expect(await retry({ step: 1 })).toMatchObject(accepted)
    await api.until(id, (view) => view.state === 'succeeded' && view.continuation === 1)
    expect([count(id, 'a'), count(id, 'b'), count(id, 'c')]).toEqual([4, 4, 4])
    expect(existsSync(effects.folder) && readFileSync(`${effects.folder}/${id}`, 'utf8')).toContain('b-end')
  })

  it('next acts once, too, when its history is continued while hosts are being stopped', async () => {
    const deaf = `trap '' TERM; n=0; while [ $n -lt 100 ]; do sleep 0.5; n=$((n+1)); done`
    const id = await launch(
      step(text('a', deaf), { graceMs: 6_000 }),
      step(text('b', 'sleep 3'), { name: 'second' }),
      step(text('c'), { name: 'third' }),
    )
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    const next = { kind: 'next', operationId: randomUUID() }
    expect(await api.operate(id, next)).toMatchObject(accepted)
    // Refused by the workflow: each pause on top of one that is asked for at once leaves events.
    for (let n = 0; n < 10; n++) {
      await api.operate(id, { kind: 'pause' })
      await api.operate(id, { kind: 'resume' })
    }
    expect(await api.operate(id, next)).toMatchObject(accepted)
    await api.until(id, (view) => view.steps[1]?.counts['running'] === 4, 30_000)
    expect(await api.operate(id, next)).toMatchObject(accepted)
    const view = await api.ended(id)
    expect(view.steps.map(({ state }) => state)).toEqual(['ignored', 'succeeded', 'succeeded'])
    expect([count(id, 'a'), count(id, 'a-end'), count(id, 'b-end'), count(id, 'c')]).toEqual([4, 0, 4, 4])
    const runs = []
    for await (const run of client.workflow.list({ query: `WorkflowId = "execution/default/${id}"` }))
      runs.push(run)
    expect(runs.length).toBeGreaterThan(1)
    await record(platform, id, 'next-and-continued')
  }, 60_000)
})
