/** Before a launch and after it: previews and their digests, doing it again, comparing, exporting, cancelling many. */
import type { HostId } from '../../domain/id'
import { createDrover, type Drover, type Launch } from '../../sdk/index'
import { type ApiFixture, startApiFixture } from './api-fixture'
import { PlayedRun, playSessions } from './played-run'

let api: ApiFixture
let drover: Drover
let hostIds: HostId[]

beforeAll(async () => {
  api = await startApiFixture()
  drover = createDrover({ url: api.urls[0], token: api.token })
  hostIds = await api.addHosts(api.scopeId, ['p-1', 'p-2', 'p-3'], { rack: 'p' })
  await playSessions({ api, hostIds })
  await api.call('/groups/third', { method: 'PUT', body: { target: 'name:p-3' } })
}, 120_000)

afterAll(() => api?.close())

const step = (name: string, script: string, more = {}) => ({ name, language: 'sh' as const, script, ...more })
const plan = (...steps: ReturnType<typeof step>[]): Launch =>
  ({ target: 'rack=p', plan: { name: 'roll', steps } }) as unknown as Launch
const play = (target = 'name:p-[1-3]') => PlayedRun.launch({ api, hostIds }, target)

describe('a preview', () => {
  it('says what would be done, to whom, and starts nothing', async () => {
    const preview = await drover.preview(plan(step('one', 'true'), step('two', 'false', { account: 'web' })))
    expect(preview).toMatchObject({
      name: 'roll',
      hosts: 3,
      nodeset: 'p-[1-3]',
      away: 3,
      confirm: null,
      last: null,
      predicted: null,
      removed: [],
      steps: [
        { position: 0, name: 'one', language: 'sh', scriptBytes: 4, change: 'new', uses: null },
        { position: 1, name: 'two', account: 'web', change: 'new' },
      ],
    })
    expect(preview.shares).toEqual([
      { of: 'rack=p', targeted: 3, hosts: 3 },
      { of: 'group:third', targeted: 1, hosts: 1 },
    ])
    expect((await api.call('/executions')).body['items']).toEqual([])
  })

  it('is demanded of a launch by its digest, which other work and other hosts do not have', async () => {
    const wanted = plan(step('one', 'true'))
    const { digest } = await drover.preview(wanted)
    expect((await drover.preview({ ...wanted, target: 'name:p-[1-3]' })).digest).toBe(digest)
    const run = await drover.launch({ ...wanted, digest })
    expect(run).toMatchObject({ hosts: 3, state: 'pending' })
    const other = drover.launch({ ...plan(step('one', 'false')), digest })
    await expect(other).rejects.toMatchObject({ code: 'launch_changed', status: 409 })
    const fewer = drover.launch({ ...wanted, target: 'name:p-[1-2]', digest })
    await expect(fewer).rejects.toMatchObject({ code: 'launch_changed' })
    const [late] = await api.addHosts(api.scopeId, ['p-4'], { rack: 'p' })
    await expect(drover.launch({ ...wanted, digest })).rejects.toMatchObject({ code: 'launch_changed' })
    await api.pool.query(`delete from host_label where host_id = $1`, [late])
  })

  it('refuses what a launch would refuse', async () => {
    await expect(drover.preview({ ...plan(step('one', 'true')), target: 'rack=none' })).rejects.toMatchObject(
      {
        code: 'target_empty',
      },
    )
    const unknown = { target: '*', script: { uses: 'nowhere' } } as unknown as Launch
    await expect(drover.preview(unknown)).rejects.toMatchObject({ code: 'script_unknown' })
  })

  it('says that many hosts need their number, and takes the digest for it', async () => {
    const names = Array.from({ length: 101 }, (_, n) => `many-${n}`)
    await api.addHosts(api.scopeId, names, { rack: 'many' })
    const many = { ...plan(step('one', 'true')), target: 'rack=many' }
    const { digest, confirm } = await drover.preview(many)
    expect(confirm).toBe('more than 100')
    await expect(drover.launch(many)).rejects.toMatchObject({ code: 'confirmation_required' })
    expect(await drover.launch({ ...many, digest })).toMatchObject({ hosts: 101 })
  })

  it('compares with the last success of the name, and predicts from those before', async () => {
    const first = await drover.launch(plan(step('one', 'true'), step('gone', 'true')))
    await api.pool.query(
      `update execution set state = 'succeeded', started_at = now() - interval '90 s', ended_at = now() where id = $1`,
      [first.id],
    )
    const preview = await drover.preview(
      plan(step('one', 'uptime', { timeoutMs: 1_000 }), step('new', 'true')),
    )
    expect(preview).toMatchObject({
      last: { id: first.id, hosts: 3 },
      predicted: { medianMs: 90_000, slowestMs: 90_000, runs: 1 },
      removed: ['gone'],
      steps: [
        { change: 'changed', fields: ['scriptBytes', 'scriptSha256', 'timeoutMs'] },
        { change: 'new', fields: [] },
      ],
    })
    expect(await drover.stepScript(first.id, 0)).toMatchObject({
      content: 'true',
      language: 'sh',
      uses: null,
    })
    // A script without a name is like none but itself.
    const adHoc = { target: 'rack=p', script: { script: 'true' } } as unknown as Launch
    expect((await drover.preview(adHoc)).last).toBeNull()
  })
})

describe('a run', () => {
  it('is launched again as it was, with scripts by their versions', async () => {
    await api.call('/scripts', { method: 'POST', body: { name: 'again', content: 'echo 1', language: 'sh' } })
    await api.call('/scripts/again/versions/1/publish', { method: 'POST', body: { revision: 1 } })
    const steps = [
      step('own', 'echo "$1"', { arguments: ['a b'], concurrency: '50%' }),
      { name: 'used', uses: 'again' },
    ]
    const first = await drover.launch({
      target: 'rack=p',
      plan: { name: 'twice', steps },
    } as unknown as Launch)
    const again = await drover.launchAgain(first.id)
    expect(again).toMatchObject({
      target: 'rack=p',
      expiresInMs: 86_400_000,
      plan: { name: 'twice', steps: [{}, { uses: 'again@1' }] },
    })
    const second = await drover.launch(again as Launch)
    const { rows } = await api.pool.query(
      'select count(distinct plan_hash)::int as n from execution where id = any($1)',
      [[first.id, second.id]],
    )
    expect(rows).toEqual([{ n: 1 }])
  })

  it('is compared with another: hosts in groups by what became of them', async () => {
    const before = await play()
    const after = await play('name:p-[1-2]')
    const output = (text: string) => ({
      outputSha256: Buffer.from(text.padEnd(32)),
      stdoutBytes: 1,
      stderrBytes: 0,
    })
    for (const index of [0, 1, 2]) await before.host(index, 'succeeded', { exitCode: 0, ...output('a') })
    await after.host(0, 'succeeded', { exitCode: 0, ...output('b') })
    await after.host(1, 'failed', { exitCode: 3, ...output('a') })
    const groups = await drover.compareSteps(
      { executionId: after.id, step: 0 },
      { executionId: before.id, step: 0 },
    )
    const ok = { state: 'succeeded', exitCode: 0 }
    expect(groups).toEqual([
      { hosts: 1, nodeset: 'p-1', hostId: hostIds[0], before: ok, after: ok, sameOutput: false },
      {
        hosts: 1,
        nodeset: 'p-2',
        hostId: hostIds[1],
        before: ok,
        after: { state: 'failed', exitCode: 3 },
        sameOutput: true,
      },
      { hosts: 1, nodeset: 'p-3', hostId: hostIds[2], before: ok, after: null, sameOutput: null },
    ])
    const absent = drover.compareSteps({ executionId: after.id, step: 0 }, { executionId: '999999', step: 0 })
    await expect(absent).rejects.toMatchObject({ code: 'execution_unknown' })
  })

  it('is exported as JSON Lines and as CSV that is no formula', async () => {
    const run = await play()
    await run.host(0, 'failed', { exitCode: 1, detail: '=cmd()', stdoutBytes: 5, stderrBytes: 0 })
    const read = async (format: 'jsonl' | 'csv') => {
      const parts: Uint8Array[] = []
      for await (const part of drover.exportResults(run.id, format)) parts.push(part)
      return Buffer.concat(parts).toString()
    }
    const rows = (await read('jsonl'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatchObject({
      step: 0,
      hostName: 'p-1',
      state: 'failed',
      exitCode: 1,
      detail: '=cmd()',
    })
    const lines = (await read('csv')).trimEnd().split('\r\n')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(/^step,stepName,hostId,hostName,/)
    expect(lines[1]).toContain(`,failed,yes,,'=cmd(),1,`)
  })
})

describe('cancelling many', () => {
  it('does nothing before their number is said, then writes an operation for each', async () => {
    const token = await api.principal('batch', api.scopeId, ['operator'])
    const batch = createDrover({ url: api.urls[0], token })
    const ids = []
    for (const name of ['night', 'night', 'day'])
      ids.push(
        (await batch.launch({ target: 'name:p-1', script: { name, script: 'true' } } as unknown as Launch))
          .id,
      )
    const filter = { launchedBy: 'batch', name: 'night' }
    await expect(batch.cancelMany(filter)).rejects.toMatchObject({
      code: 'confirmation_required',
      details: { runs: 2 },
    })
    await expect(batch.cancelMany({ ...filter, confirm: 3 })).rejects.toMatchObject({
      code: 'confirmation_required',
    })
    const key = { idempotencyKey: 'night-is-over' }
    const items = await batch.cancelMany({ ...filter, confirm: 2, why: 'the night is over' }, key)
    expect(items.map((item) => item.executionId)).toEqual(ids.slice(0, 2))
    // The same request again is the same answer, and no second cancel.
    expect(await batch.cancelMany({ ...filter, confirm: 2, why: 'the night is over' }, key)).toEqual(items)
    for (const id of ids.slice(0, 2)) {
      expect((await batch.execution(id)).cancelRequestedAt).not.toBeNull()
      expect(await batch.operations(id)).toMatchObject([
        { kind: 'cancel', state: 'accepted', by: 'batch', args: { why: 'the night is over' } },
      ])
    }
    expect((await batch.execution(ids[2] ?? '')).cancelRequestedAt).toBeNull()
    await expect(batch.cancelMany(filter)).rejects.toMatchObject({ code: 'nothing_to_cancel' })
  })
})
