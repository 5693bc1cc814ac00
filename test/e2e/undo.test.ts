/** Undo of runs, on a real platform; what scripts did is told by the files that they wrote. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import type { Platform } from '../../stack/platform/platform'
import { TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

const accepted = { body: { state: 'accepted' } }
const refusedBy = (why: RegExp) => ({
  status: 409,
  body: { code: 'operation_refused', detail: expect.stringMatching(why) },
})

/** Deaf to the polite signal: only the kill after the grace ends it. */
const DEAF = `trap '' TERM; n=0; while [ $n -lt 600 ]; do sleep 0.5; n=$((n+1)); done`

interface StepPlan {
  name: string
  body: string
  /** Of what takes it back. */
  undo?: string
  [key: string]: unknown
}

describe('undo', () => {
  let platform: Platform
  let api: TestApi
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 3 })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  const script = (word: string, body: string) =>
    `${effects.line(`${word}-start`)}\n${body}\n${effects.line(`${word}-end`)}`
  const planOf = (steps: StepPlan[], more: Record<string, unknown> = {}) => ({
    name: 'undone',
    ...more,
    steps: steps.map(({ body, undo, ...step }) => ({
      language: 'sh',
      script: script(step.name, body),
      graceMs: 500,
      ...step,
      ...(undo === undefined
        ? {}
        : { undo: { language: 'sh', script: script(`undo-${step.name}`, undo), graceMs: 500 } }),
    })),
  })
  const launch = (steps: StepPlan[], more: Record<string, unknown> = {}) =>
    api.launch({ target: '*', plan: planOf(steps, more) })
  /** How often a word was written, over all hosts. */
  const count = (id: string, word: string) =>
    [...effects.count(id)]
      .filter(([line]) => line.startsWith(`${word} ${id} `))
      .reduce((sum, [, n]) => sum + n, 0)
  const order = (id: string) =>
    readFileSync(`${effects.folder}/${id}`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
  const undone = (id: string) => api.until(id, (now) => now.state === 'cancelled' && now.reason === 'undone')
  const hostIds = async () =>
    (await api.insist<{ items: { id: string }[] }>('GET', '/hosts?limit=1000')).body.items.map(({ id }) => id)
  const on = (host: string, words: string, others = 'true') =>
    `case $DROVER_HOST in ${host}) ${words};; *) ${others};; esac`
  const flag = () => `${effects.folder}/${randomUUID()}`

  it('undoes the steps newest first, only on hosts where they took effect', async () => {
    const [first = ''] = await hostIds()
    const id = await launch([
      { name: 'a', body: 'true', undo: 'true' },
      { name: 'plain', body: 'true' },
      { name: 'b', body: on(first, 'exit 3'), undo: 'true' },
      { name: 'never', body: 'true', undo: 'true' },
    ])
    expect((await api.ended(id)).steps.map((step) => step.state)).toEqual([
      'succeeded',
      'succeeded',
      'failed',
      'pending',
    ])
    expect(await api.operate(id, { kind: 'undo', why: 'too slow' })).toMatchObject(accepted)
    const view = await undone(id)
    await record(platform, id, 'undone', { continuation: 1 })
    expect(view.steps.map(({ name, state, reason }) => [name, state, reason])).toEqual([
      ['a', 'succeeded', null],
      ['plain', 'succeeded', null],
      ['b', 'failed', null],
      ['never', 'skipped', 'run_undone'],
      ['undo of never', 'skipped', 'nothing_to_undo'],
      ['undo of b', 'succeeded', null],
      ['undo of a', 'succeeded', null],
    ])
    expect(view.steps.map(({ undoes }) => undoes)).toEqual([null, null, null, null, 3, 2, 0])
    // A failed script took effect, too.
    expect(['undo-a-start', 'undo-b-start', 'undo-never-start'].map((word) => count(id, word))).toEqual([
      3, 3, 0,
    ])
    const undos = order(id).filter((word) => word.startsWith('undo-') && word.endsWith('-start'))
    expect(undos).toEqual([...Array(3).fill('undo-b-start'), ...Array(3).fill('undo-a-start')])
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/nothing to undo/))
    expect(await api.operate(id, { kind: 'retry', all: true, step: 5 })).toMatchObject(
      refusedBy(/undone once/),
    )
    expect(await api.operate(id, { kind: 'retry', step: 2 })).toMatchObject(refusedBy(/step 3 is skipped/))
    const { items } = (await api.insist<{ items: unknown[] }>('GET', `/executions/${id}/operations`)).body
    expect(items).toMatchObject([
      { kind: 'undo', state: 'accepted', by: expect.any(String), args: { why: 'too slow' } },
      { kind: 'undo', state: 'refused' },
      {},
      {},
    ])
  })

  it('skips hosts on which a step never began, whether they were skipped or cancelled', async () => {
    const [skipped = '', ...others] = await hostIds()
    const go = flag()
    const id = await launch([
      { name: 'wait', body: `while [ ! -e ${go} ]; do sleep 0.1; done` },
      { name: 'a', body: 'true', undo: 'true' },
    ])
    await api.until(id, ({ steps: [step] }) => step?.counts['running'] === 3)
    expect(await api.operate(id, { kind: 'skip', step: 1, hosts: [skipped] })).toMatchObject(accepted)
    writeFileSync(go, '')
    await api.ended(id)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(accepted)
    const view = await undone(id)
    expect(view.steps[2]).toMatchObject({ hosts: 2, counts: { succeeded: 2 } })
    expect((await api.hosts(id, 2)).map((host) => host.hostId).sort()).toEqual(others.sort())
    expect(count(id, 'undo-a-start')).toBe(2)
  })

  it('is refused while the run goes on, where nothing took effect, and where no step says how', async () => {
    const go = flag()
    const running = await launch([
      { name: 'a', body: `while [ ! -e ${go} ]; do sleep 0.1; done`, undo: 'true' },
    ])
    expect(await api.operate(running, { kind: 'undo' })).toMatchObject(refusedBy(/cancel it first/))
    writeFileSync(go, '')
    await api.ended(running)
    const without = await launch([{ name: 'a', body: 'true' }])
    await api.ended(without)
    expect(await api.operate(without, { kind: 'undo' })).toMatchObject(refusedBy(/no step of this run says/))
    const body = { kind: 'undo', includeUnknown: true }
    expect((await api.operate(running, body)).status).toBe(400)
    expect(await api.operate(running, { ...body, unknownHosts: 2 })).toMatchObject(
      refusedBy(/0 hosts is unknown now/),
    )
  })

  it('stops at a failure; its hosts are undone by a retry, the others are not undone again', async () => {
    const [broken = ''] = await hostIds()
    const mended = flag()
    const id = await launch([
      { name: 'a', body: 'true', undo: 'true' },
      { name: 'b', body: 'true', undo: on(broken, `[ -e ${mended} ] || exit 4`) },
    ])
    await api.ended(id)
    await api.operate(id, { kind: 'undo' })
    const failed = await api.until(id, (now) => now.state === 'failed')
    expect(failed).toMatchObject({ reason: 'undo_failed' })
    expect(failed.steps.map((step) => step.state)).toEqual(['succeeded', 'succeeded', 'failed', 'pending'])
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/step 3, which is failed/))
    writeFileSync(mended, '')
    expect(await api.operate(id, { kind: 'retry' })).toMatchObject(accepted)
    await undone(id)
    await record(platform, id, 'undo-retried', { continuation: 2 })
    expect([count(id, 'undo-b-start'), count(id, 'undo-b-end'), count(id, 'undo-a-start')]).toEqual([4, 3, 3])
    expect((await api.hosts(id, 2)).map((host) => host.attempt).sort((a, b) => a - b)).toEqual([1, 1, 2])
  })

  it('of a paused run cancels it first, in one operation, and begins when nothing of it is under way', async () => {
    const id = await launch([
      { name: 'a', body: 'true', undo: 'true' },
      { name: 'b', body: DEAF, undo: 'true' },
      { name: 'later', body: 'true', undo: 'true' },
    ])
    await api.until(id, ({ steps }) => steps[1]?.counts['running'] === 3)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/pause it or cancel it first/))
    expect(await api.operate(id, { kind: 'pause' })).toMatchObject(accepted)
    const preview = (await api.insist<object>('GET', `/executions/${id}/undo`)).body
    expect(preview).toMatchObject({ refusal: null, steps: [{ hosts: 0 }, { hosts: 3 }, { hosts: 3 }] })
    const undo = { kind: 'undo', operationId: randomUUID(), why: 'too slow' }
    expect(await api.operate(id, undo)).toMatchObject(accepted)
    expect(await api.operate(id, undo)).toMatchObject(accepted)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/being (cancelled|undone)/))
    const view = await undone(id)
    await record(platform, id, 'paused-undone')
    expect(view).toMatchObject({ continuation: 1 })
    expect(view.steps.map(({ name, state, counts }) => [name, state, counts])).toEqual([
      ['a', 'succeeded', { succeeded: 3 }],
      ['b', 'cancelled', { cancelled: 3 }],
      ['later', 'cancelled', { cancelled: 3 }],
      ['undo of later', 'skipped', {}],
      ['undo of b', 'succeeded', { succeeded: 3 }],
      ['undo of a', 'succeeded', { succeeded: 3 }],
    ])
    expect(['b-end', 'later-start', 'undo-b-start', 'undo-a-start'].map((word) => count(id, word))).toEqual([
      0, 0, 3, 3,
    ])
    const { items } = (await api.insist<{ items: unknown[] }>('GET', `/executions/${id}/events?limit=1000`))
      .body
    const states = (items as { type: string; body: { state?: string } }[]).flatMap(({ type, body }) =>
      type === 'execution' ? [body.state] : [],
    )
    // Whoever follows it sees one end: that of the undo.
    expect(states).toEqual(['pending', 'running', 'paused', 'cancelling', 'running', 'cancelled'])
  })

  it.each(['of the run itself', 'of all open runs'])(
    'of a paused run is not begun where a cancel %s comes before it',
    async (which) => {
      const id = await launch([
        { name: 'a', body: 'true', undo: 'true' },
        { name: 'b', body: DEAF, graceMs: 3_000 },
      ])
      await api.until(id, ({ steps }) => steps[1]?.counts['running'] === 3)
      await api.operate(id, { kind: 'pause' })
      expect(await api.operate(id, { kind: 'undo' })).toMatchObject(accepted)
      const cancel = () =>
        which === 'of the run itself'
          ? api.operate(id, { kind: 'cancel' })
          : api.call('POST', '/executions/cancel', { confirm: 1 })
      expect((await cancel()).status).toBeLessThan(300)
      expect(await api.ended(id)).toMatchObject({ state: 'cancelled', reason: null, continuation: 0 })
      expect(count(id, 'undo-a-start')).toBe(0)
      expect(await api.operate(id, { kind: 'undo' })).toMatchObject(accepted)
      await undone(id)
      expect(count(id, 'undo-a-start')).toBe(3)
    },
  )

  it('is paused and resumed like any run', async () => {
    const go = flag()
    const id = await launch([
      { name: 'a', body: 'true', undo: 'true' },
      { name: 'b', body: 'true', undo: `while [ ! -e ${go} ]; do sleep 0.1; done` },
    ])
    await api.ended(id)
    await api.operate(id, { kind: 'undo' })
    await api.until(id, (now) => now.steps[2]?.counts['running'] === 3)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/being undone already/))
    expect(await api.operate(id, { kind: 'pause' })).toMatchObject(accepted)
    expect(await api.operate(id, { kind: 'undo' })).toMatchObject(refusedBy(/undone already: resume it/))
    writeFileSync(go, '')
    const held = await api.until(id, (now) => now.steps[2]?.counts['succeeded'] === 3)
    expect(held).toMatchObject({ state: 'paused', steps: [{}, {}, {}, { counts: { pending: 3 } }] })
    expect(await api.operate(id, { kind: 'resume' })).toMatchObject(accepted)
    await undone(id)
    await record(platform, id, 'undo-paused', { continuation: 1 })
    expect([count(id, 'undo-b-start'), count(id, 'undo-a-start')]).toEqual([3, 3])
  })

  it('gives what takes a step back the values that held when the step had ended, and keeps its own account of them', async () => {
    const said = flag()
    const id = await launch(
      [
        { name: 'a', body: 'RELEASE=2', undo: `echo "a $RELEASE" >> ${said}; RELEASE=undone` },
        { name: 'b', body: 'RELEASE=3', undo: `echo "b $RELEASE" >> ${said}; RELEASE=undone` },
      ],
      { variables: [{ name: 'RELEASE', value: '1', changeable: true }] },
    )
    await api.ended(id)
    await api.operate(id, { kind: 'undo' })
    await undone(id)
    expect(readFileSync(said, 'utf8').trim().split('\n')).toEqual([
      ...Array(3).fill('b 3'),
      ...Array(3).fill('a 2'),
    ])
  })

  it('shows its hosts, scripts and rows beside those of the run', async () => {
    const id = await launch([
      { name: 'a', body: 'true', undo: 'echo taken back' },
      { name: 'plain', body: 'true' },
    ])
    await api.ended(id)
    const later = await launch([{ name: 'later', body: 'true' }])
    await api.ended(later)
    const preview = async () => (await api.insist<object>('GET', `/executions/${id}/undo`)).body
    expect(await preview()).toMatchObject({
      refusal: null,
      steps: [{ position: 2, name: 'undo of a', undoes: 0, hosts: 3, unknown: { hosts: 0 } }],
      without: [{ position: 1, name: 'plain' }],
      later: [{ id: later, name: 'undone', hosts: 3 }],
    })
    const shown = execFileSync(
      process.execPath,
      [path.join(__dirname, '../../cli/bin/drover.cjs'), 'runs', 'undo', id, '--preview'],
      {
        env: { PATH: process.env['PATH'], DROVER_URL: platform.url, DROVER_TOKEN: platform.token },
        encoding: 'utf8',
      },
    )
    expect(shown).toMatch(/undo of a .* 3: [^]*step 2 plain says nothing[^]*ran on 3 of these hosts later/)
    await api.operate(id, { kind: 'undo' })
    await undone(id)
    expect(await preview()).toMatchObject({ refusal: expect.any(String), steps: [{ hosts: 0 }], later: [] })
    const rows = await (
      await fetch(`${platform.url}/api/v1/scopes/default/executions/${id}/results`, {
        headers: { authorization: `Bearer ${platform.token}` },
      })
    ).text()
    const exported = rows
      .trim()
      .split('\n')
      .map((row) => JSON.parse(row) as { step: number; undoes: number | null; state: string })
    expect(exported.map(({ step, undoes }) => [step, undoes])).toEqual([
      ...[0, 1].flatMap((step) => Array.from({ length: 3 }, () => [step, null])),
      ...Array.from({ length: 3 }, () => [2, 0]),
    ])
    const [host] = await api.hosts(id, 2)
    expect(host).toMatchObject({ state: 'succeeded', started: 'yes' })
    const text = (await api.insist<{ content: string }>('GET', `/executions/${id}/steps/2/script`)).body
    expect(text.content).toContain('taken back')
    const again = (
      await api.insist<{ plan: { steps: { undo?: { script: string } }[] } }>(
        'GET',
        `/executions/${id}/launch`,
      )
    ).body
    expect(again.plan.steps).toHaveLength(2)
    expect(again.plan.steps[0]?.undo?.script).toContain('taken back')
  })
})
