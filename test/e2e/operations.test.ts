/** Operations on running and ended executions, on a real platform; what scripts did is told by the files they wrote. */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { ExecutionId, PrincipalId, ScopeId } from '../../domain/id'
import type { Platform } from '../../stack/platform/platform'
import { setExecutionState } from '../../store/postgres/executions'
import { clearPause } from '../../store/postgres/operate'
import { decideOperation, insertOperation } from '../../store/postgres/operations'
import { createPool } from '../../store/postgres/pool'
import { transaction } from '../../store/postgres/transaction'
import { pause, TestApi } from '../helpers/api'
import { Effects } from '../helpers/effects'
import { startTestPlatform } from '../helpers/platform'
import { record } from '../helpers/record'

describe('operations', () => {
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

  const starts = (id: string, stepId: string) =>
    [...effects.count(id)]
      .filter(([line]) => line.startsWith(`start ${id} ${stepId} `))
      .reduce((sum, [, n]) => sum + n, 0)

  const plan = (steps: { name: string; body: string; [key: string]: unknown }[]) => ({
    name: 'operations',
    steps: steps.map(({ body, ...step }) => ({
      language: 'sh',
      script: `${effects.line('start')}\n${body}`,
      ...step,
    })),
  })

  it('cancels: running scripts are stopped, later steps never start, every host has an end', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([
        { name: 'long', body: 'sleep 300', graceMs: 500 },
        { name: 'never', body: 'true' },
      ]),
    })
    const running = await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    const asked = Date.now()
    const answer = await api.operate(id, { kind: 'cancel' })
    expect(answer.status).toBeLessThan(300)
    expect(Date.now() - asked).toBeLessThan(2_000)
    const view = await api.ended(id, 20_000)
    await record(platform, id, 'cancelled')
    expect(view.state).toBe('cancelled')
    expect(view.steps.map((step) => step.counts)).toEqual([{ cancelled: 4 }, { cancelled: 4 }])
    expect(
      (await api.hosts(id, 0)).every(
        (host) => host.started === 'yes' && host.reason === 'cancelled_by_operator',
      ),
    ).toBe(true)
    expect((await api.hosts(id, 1)).every((host) => host.started === 'no')).toBe(true)
    expect(starts(id, running.steps[1]!.id)).toBe(0)
  })

  it('cancels a run that waits for its concurrency limit: hosts that were sent nothing did not start', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([{ name: 'one by one', body: 'sleep 300', concurrency: 1, graceMs: 500 }]),
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    await api.operate(id, { kind: 'cancel' })
    const view = await api.ended(id, 20_000)
    expect(view.steps[0]!.counts).toEqual({ cancelled: 4 })
    const hosts = await api.hosts(id)
    expect(hosts.filter((host) => host.started === 'yes')).toHaveLength(1)
    expect(starts(id, view.steps[0]!.id)).toBe(1)
  })

  it('pauses softly: what runs goes on, nothing new starts; resume takes up the rest', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([{ name: 'one by one', body: 'sleep 1', concurrency: 1 }]),
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    expect((await api.operate(id, { kind: 'pause' })).status).toBeLessThan(300)
    await api.until(id, (view) => view.state === 'paused' && !view.steps[0]?.counts['running'])
    const held = await api.get(id)
    await pause(2_500)
    expect((await api.get(id)).steps[0]!.counts).toEqual(held.steps[0]!.counts)
    expect((await api.operate(id, { kind: 'pause' })).body.code).toBe('operation_refused')
    expect((await api.operate(id, { kind: 'resume' })).status).toBeLessThan(300)
    const view = await api.ended(id)
    await record(platform, id, 'paused-and-resumed')
    expect(view).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 4 } }] })
    expect(starts(id, view.steps[0]!.id)).toBe(4)
  })

  it('goes on after a resume that its workflow lost when it and the engine died: the ledger knows, and tells it again', async () => {
    const id = await api.launch({
      target: 'name:rack-a-1',
      plan: plan([
        { name: 'first', body: 'sleep 1' },
        { name: 'second', body: 'true' },
      ]),
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    expect((await api.operate(id, { kind: 'pause' })).status).toBeLessThan(300)
    await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 1)
    // What applyOperation commits, without the workflow task that it was done in.
    const pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 1)
    try {
      const key = { scopeId: '1' as ScopeId, executionId: id as ExecutionId }
      const operation = { ...key, id: randomUUID(), kind: 'resume' as const, args: {} }
      await transaction(pool, async (tx) => {
        await insertOperation(tx, { ...operation, principalId: '1' as PrincipalId })
        await clearPause(tx, key)
        await setExecutionState(tx, key, 'running')
        await decideOperation(tx, key.scopeId, operation.id, { state: 'accepted' })
      })
      expect((await api.ended(id, 30_000)).state).toBe('succeeded')
      const told = await pool.query<{ told: boolean }>(
        'select told_at is not null as told from operation where execution_id = $1 order by created_at',
        [id],
      )
      expect(told.rows).toEqual([{ told: true }, { told: true }])
    } finally {
      await pool.end()
    }
  })

  it('pauses hard: what runs is stopped and says so', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([{ name: 'long', body: 'sleep 300', graceMs: 300 }]),
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    await api.operate(id, { kind: 'pause', hard: true })
    await api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 4 && view.state === 'paused')
    expect((await api.hosts(id)).map((host) => host.reason)).toEqual(Array(4).fill('paused_hard'))
    await api.operate(id, { kind: 'resume' })
    const view = await api.ended(id)
    expect(view.state).toBe('failed')
    expect(starts(id, view.steps[0]!.id)).toBe(4)
  })

  it('retries the failed hosts of an ended run, as a continuation, and goes on with the next step', async () => {
    const flag = `${effects.folder}/mended`
    const id = await api.launch({
      target: '*',
      plan: plan([
        { name: 'breaks on two', body: `case $DROVER_HOST in *[13579]) [ -e ${flag} ] || exit 3;; esac` },
        { name: 'after', body: 'true' },
      ]),
    })
    const failed = await api.ended(id)
    expect(failed.state).toBe('failed')
    expect(failed.steps[1]!.counts).toEqual({ pending: 4 })
    const bad = failed.steps[0]!.counts['failed'] ?? 0
    expect(bad).toBeGreaterThan(0)
    writeFileSync(flag, '')
    expect((await api.operate(id, { kind: 'retry' })).status).toBeLessThan(300)
    const view = await api.until(id, (now) => now.state === 'succeeded')
    await record(platform, id, 'continued', { continuation: 1 })
    expect(view.continuation).toBe(1)
    expect(view.steps.map((step) => step.counts)).toEqual([{ succeeded: 4 }, { succeeded: 4 }])
    expect(starts(id, view.steps[0]!.id)).toBe(4 + bad)
    expect(starts(id, view.steps[1]!.id)).toBe(4)
    expect((await api.operate(id, { kind: 'retry' })).body.code).toBe('operation_refused')
  })

  it('retries failed hosts while the step still runs', async () => {
    const flag = `${effects.folder}/mended-too`
    const id = await api.launch({
      target: '*',
      plan: plan([
        {
          name: 'mixed',
          body: `case $DROVER_HOST in *[13579]) [ -e ${flag} ] || exit 3;; *) sleep 3;; esac`,
        },
      ]),
    })
    const before = await api.until(
      id,
      (view) => view.steps[0]?.counts['failed'] === 2 && view.steps[0]?.counts['running'] === 2,
    )
    writeFileSync(flag, '')
    expect((await api.operate(id, { kind: 'retry' })).status).toBeLessThan(300)
    const view = await api.ended(id)
    await record(platform, id, 'retried-while-running')
    expect(view).toMatchObject({ state: 'succeeded', continuation: 0 })
    expect(starts(id, view.steps[0]!.id)).toBe(4 + (before.steps[0]?.counts['failed'] ?? 0))
  })

  it('answers a repeated request from its first decision, whatever the run has become since', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([{ name: 'mixed', body: 'case $DROVER_HOST in *[13579]) exit 3;; *) sleep 3;; esac' }]),
    })
    await api.until(id, ({ steps: [step] }) => step?.counts['failed'] === 2 && step.counts['running'] === 2)
    const key = randomUUID()
    const retry = () =>
      api.call<{ state?: string }>('POST', `/executions/${id}/operations`, { kind: 'retry' }, key)
    expect((await retry()).body.state).toBe('accepted')
    const first = await api.ended(id)
    expect(starts(id, first.steps[0]!.id)).toBe(6)
    await api.operate(id, { kind: 'retry' })
    const second = await api.until(id, (now) => now.continuation === 1 && now.state === 'failed')
    expect(starts(id, second.steps[0]!.id)).toBe(8)
    expect((await retry()).body.state).toBe('accepted')
    await pause(2_000)
    expect(await api.get(id)).toMatchObject({ state: 'failed', continuation: 1 })
    expect(starts(id, second.steps[0]!.id)).toBe(8)
  })

  it('does not pause again when an accepted pause is asked for again after the resume', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([{ name: 'one by one', body: 'sleep 1', concurrency: 1 }]),
    })
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 1)
    const key = randomUUID()
    const hold = () =>
      api.call<{ state?: string }>('POST', `/executions/${id}/operations`, { kind: 'pause' }, key)
    expect((await hold()).body.state).toBe('accepted')
    await api.operate(id, { kind: 'resume' })
    expect((await hold()).body.state).toBe('accepted')
    expect(await api.ended(id, 20_000)).toMatchObject({
      state: 'succeeded',
      steps: [{ counts: { succeeded: 4 } }],
    })
  })

  it('skips a step of an ended run and goes on', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([
        { name: 'fails', body: 'exit 1' },
        { name: 'after', body: 'true' },
      ]),
    })
    await api.ended(id)
    expect((await api.operate(id, { kind: 'skip', step: 0 })).status).toBeLessThan(300)
    const view = await api.until(id, (now) => now.state === 'succeeded')
    expect(view.steps.map((step) => step.state)).toEqual(['skipped', 'succeeded'])
    expect(starts(id, view.steps[0]!.id)).toBe(4)
  })

  it('skips a step that has not begun', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([
        { name: 'first', body: 'sleep 2' },
        { name: 'unwanted', body: 'true' },
      ]),
    })
    await api.until(id, (view) => (view.steps[0]?.counts['running'] ?? 0) > 0)
    expect((await api.operate(id, { kind: 'skip', step: 1 })).status).toBeLessThan(300)
    const view = await api.ended(id)
    expect(view.state).toBe('succeeded')
    expect(view.steps[1]).toMatchObject({ state: 'skipped', counts: { skipped: 4 } })
    expect(starts(id, view.steps[1]!.id)).toBe(0)
  })

  it('goes on after a failure that is to be ignored', async () => {
    const id = await api.launch({
      target: '*',
      plan: plan([
        { name: 'fails', body: 'exit 1', onFailure: 'ignore' },
        { name: 'after', body: 'true' },
      ]),
    })
    const view = await api.ended(id)
    expect(view.state).toBe('succeeded')
    expect(view.steps.map((step) => step.state)).toEqual(['ignored', 'succeeded'])
  })

  it('acts once on the same operation sent twice', async () => {
    const id = await api.launch({ target: '*', plan: plan([{ name: 'fails', body: 'exit 1' }]) })
    await api.ended(id)
    const operationId = '7f3f7d1c-4a9e-4a5e-9d51-000000000001'
    const answers = await Promise.all([
      api.operate(id, { kind: 'retry', operationId }),
      api.operate(id, { kind: 'retry', operationId }),
    ])
    expect(answers.map((answer) => answer.status < 300)).toEqual([true, true])
    const view = await api.until(id, (now) => now.continuation === 1 && now.state === 'failed')
    expect(starts(id, view.steps[0]!.id)).toBe(8)
  })

  it('ends hosts that are away as offline only after a minute, and says meanwhile that it waits', async () => {
    const away = platform.hosts[3]!.name
    await platform.child(away).stop()
    await pause(1_000)
    const id = await api.launch({ target: '*', plan: plan([{ name: 'three of four', body: 'true' }]) })
    const waiting = await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 3)
    expect(waiting.state).toBe('running')
    expect(waiting.steps[0]!.counts).toEqual({ succeeded: 3, pending: 1 })
    const view = await api.ended(id, 90_000)
    await record(platform, id, 'a-host-stayed-away')
    expect(view.steps[0]!.counts).toEqual({ succeeded: 3, offline: 1 })
    expect((await api.hosts(id)).find((host) => host.state === 'offline')).toMatchObject({
      started: 'no',
      reason: 'agent_offline',
    })
    platform.child(away).start()
  }, 150_000)
})

describe('a hard pause', () => {
  let platform: Platform
  let api: TestApi
  const effects = new Effects()

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 1, env: { agent: { DROVER_AGENT_MAX_TASKS: '1' } } })
    api = new TestApi(platform)
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    effects.remove()
  }, 60_000)

  it('ends hosts whose script waits at its agent; the resume takes them up', async () => {
    const launch = (script: string) => {
      const step = { name: 'only', language: 'sh', script, graceMs: 300 }
      return api.launch({ target: '*', plan: { name: 'queued', steps: [step] } })
    }
    const before = await launch('sleep 300')
    await api.until(before, (view) => view.steps[0]?.counts['running'] === 1)
    const id = await launch(effects.line('start'))
    await api.until(id, (view) => view.steps[0]?.counts['dispatched'] === 1)
    await api.operate(id, { kind: 'pause', hard: true })
    await api.until(id, (view) => view.steps[0]?.counts['cancelled'] === 1)
    expect(await api.hosts(id)).toMatchObject([{ started: 'no', reason: 'paused_hard' }])
    await api.operate(before, { kind: 'cancel' })
    await api.ended(before, 20_000)
    expect((await api.operate(id, { kind: 'resume' })).status).toBeLessThan(300)
    expect(await api.ended(id, 20_000)).toMatchObject({
      state: 'succeeded',
      continuation: 0,
      steps: [{ counts: { succeeded: 1 } }],
    })
    expect([...effects.count(id).values()]).toEqual([1])
  })
})
