import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DispatchOrder,
  OutputStream,
  sha256,
  Started,
  TaskState,
  type TaskUpdate,
} from '../../proto/index.js'
import { changeOrder, makeCancel, makeDispatch } from '../testing/orders.js'
import { generateKey } from '../identity/csr.js'
import { parseGroup } from './groups.js'
import { Records } from './records.js'
import { SimulatedTasks } from './tasks.js'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const by = {
  hostId: '7',
  journalId: 'journal',
  signingKeyId: 'key',
  signingKey: privateKey,
  blobs: new Map<string, Buffer>(),
  now: () => Date.now(),
}

describe('the tasks of a simulated host', () => {
  let folder: string
  let records: Records
  let told: TaskUpdate[]
  let tasks: SimulatedTasks
  let wake: (() => void) | undefined

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drover-simulate-'))
    live('count=1,latency=0')
  })

  afterEach(() => {
    tasks.stop()
    records.close()
    rmSync(folder, { recursive: true })
  })

  /** A life of the process: what an earlier one left is read. */
  function live(group: string, seed = 1): void {
    records = Records.open(folder)
    told = []
    tasks = new SimulatedTasks({
      name: 'sim-00001',
      hostId: by.hostId,
      journalId: by.journalId,
      group: parseGroup(group),
      seed,
      records,
      signingKeys: new Map([[by.signingKeyId, publicKey]]),
      serverNowMs: by.now,
      advance: () => undefined,
      fetchScript: () => Promise.reject(new Error('there is none')),
    })
    tasks.listener = {
      update: (update) => {
        told.push(update)
        wake?.()
      },
      output: () => undefined,
    }
  }

  /** Ends this life as SIGKILL does, and begins the next. */
  function relive(group = 'count=1,latency=0'): void {
    tasks.stop()
    records.close()
    live(group)
  }

  /** The update of that state, now or when it is told. */
  async function until(state: TaskState): Promise<TaskUpdate> {
    for (;;) {
      const found = told.find((update) => update.state === state)
      if (found) return found
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  const startLog = () => readFileSync(records.startLogPath, 'utf8').split('\n').filter(Boolean)
  const states = () => told.map((update) => update.state)
  const { TASK_STATE_ACCEPTED, TASK_STATE_RUNNING, TASK_STATE_EXITED, TASK_STATE_CANCELLED } = TaskState
  const { TASK_STATE_REJECTED, TASK_STATE_INTERRUPTED, TASK_STATE_TIMED_OUT } = TaskState

  it('play an order and write its start down', async () => {
    const dispatch = makeDispatch(by, { text: 'exit 3' })
    await tasks.dispatch(dispatch)
    expect(await until(TASK_STATE_EXITED)).toMatchObject({ exitCode: 3, started: Started.STARTED_YES })
    expect(states()).toEqual([TASK_STATE_ACCEPTED, TASK_STATE_RUNNING, TASK_STATE_EXITED])
    const order = DispatchOrder.decode(dispatch.order)
    expect(startLog()).toHaveLength(1)
    expect(startLog()[0]?.split(' ').slice(1, 6)).toEqual(
      ['sim-00001', dispatch.id, order.executionId, order.stepExecutionId, 1].map(String),
    )
  })

  it('write a line that is nobody else’s where the group is noisy, and tell what is left without it', async () => {
    const tell = async (group: string) => {
      relive(group)
      await tasks.dispatch(makeDispatch(by, { text: 'echo same' }))
      return (await until(TASK_STATE_EXITED)).stdout
    }
    const quiet = await tell('count=1,latency=0,output=4k')
    const one = await tell('count=1,latency=0,output=4k,noise=yes')
    const two = await tell('count=1,latency=0,output=4k,noise=yes')
    expect(quiet?.normalisedSha256).toEqual(quiet?.sha256)
    expect(one?.bytes).toBeGreaterThan(quiet?.bytes ?? 0n)
    expect(one?.sha256).not.toEqual(two?.sha256)
    expect(one?.normalisedSha256).toEqual(two?.normalisedSha256)
    expect(one?.normalisedSha256).not.toEqual(quiet?.normalisedSha256)
    expect(one?.normalisedSha256).not.toEqual(one?.sha256)
  })

  it('play an order with secrets without opening them, and none that came without', async () => {
    const secrets = { values: { TOKEN: 'a-secret' }, keys: [generateKey()] }
    const dispatch = makeDispatch(by, { text: 'exit 0', secrets })
    await tasks.dispatch({ ...dispatch, secrets: Buffer.alloc(0) })
    expect(await until(TASK_STATE_REJECTED)).toMatchObject({ reason: 'order_secrets_mismatch' })
    await tasks.dispatch(dispatch)
    expect(await until(TASK_STATE_EXITED)).toMatchObject({ exitCode: 0 })
    const gone = makeDispatch(by, { text: 'exit 0', secrets }, { secretsSha256: Buffer.alloc(0) })
    told.length = 0
    await tasks.dispatch(gone)
    expect(await until(TASK_STATE_REJECTED)).toMatchObject({ reason: 'secret_unavailable' })
  })

  it.each([
    ['order_expired', { expiresAtMs: 1n }],
    ['order_wrong_host', { hostId: 8n }],
    ['order_wrong_journal', { journalId: 'another' }],
    ['order_spec_mismatch', { specSha256: Buffer.alloc(32) }],
  ])('refuse %s and leave no trace', async (code, change) => {
    await tasks.dispatch(makeDispatch(by, { text: 'true' }, change))
    expect(told).toMatchObject([{ state: TASK_STATE_REJECTED, reason: code, started: Started.STARTED_NO }])
    expect([startLog(), tasks.open.unsettled()]).toEqual([[], []])
  })

  it('refuse what was changed after it was signed', async () => {
    const dispatch = makeDispatch(by, { text: 'true' })
    await tasks.dispatch({ ...dispatch, order: changeOrder(dispatch.order, { attempt: 2 }) })
    expect(told).toMatchObject([{ state: TASK_STATE_REJECTED, reason: 'order_signature_invalid' }])
    expect(startLog()).toEqual([])
  })

  it.each([
    ['script_unavailable', {}, { content: Buffer.from('other') }],
    ['capability_missing', { language: 'cobol' }, {}],
    ['task_invalid', { environment: { LD_PRELOAD: Buffer.from('x') } }, {}],
  ])('refuse %s and remember it', async (code, task, change) => {
    const dispatch = { ...makeDispatch(by, { text: 'true', ...task }), ...change }
    await tasks.dispatch(dispatch)
    relive()
    await tasks.dispatch(dispatch)
    expect(told.at(-1)).toMatchObject({ state: TASK_STATE_REJECTED, reason: code })
    expect(startLog()).toEqual([])
  })

  it('answer a known id with what is recorded, in this life and the next', async () => {
    const dispatch = makeDispatch(by, { text: 'exit 4' })
    await tasks.dispatch(dispatch)
    await until(TASK_STATE_EXITED)
    await tasks.dispatch(dispatch)
    relive()
    await tasks.dispatch(dispatch)
    expect(states()).toEqual([TASK_STATE_EXITED])
    expect(told[0]).toMatchObject({ exitCode: 4, outputDay: '20261121' })
    expect(startLog()).toHaveLength(1)
  })

  it('refuse another order under a known id', async () => {
    const dispatch = makeDispatch(by, { text: 'true' })
    await tasks.dispatch(dispatch)
    await until(TASK_STATE_EXITED)
    const { dispatchId } = DispatchOrder.decode(dispatch.order)
    await tasks.dispatch(makeDispatch(by, { text: 'true' }, { dispatchId }))
    expect(told.at(-1)).toMatchObject({ state: TASK_STATE_REJECTED, reason: 'dispatch_id_conflict' })
    expect(startLog()).toHaveLength(1)
  })

  it('end as interrupted what a killed process had under way, and start it no more', async () => {
    const dispatch = makeDispatch(by, { text: 'sleep 100' })
    await tasks.dispatch(dispatch)
    await until(TASK_STATE_RUNNING)
    // A line that the kill cut in two.
    appendFileSync(records.startLogPath, '2026-11-21T00:00:00.000Z sim-00001 ab')
    relive()
    expect(tasks.open.unsettled()).toMatchObject([
      { state: TASK_STATE_INTERRUPTED, reason: 'interrupted', outputDay: '20261121' },
    ])
    await tasks.dispatch(dispatch)
    const next = makeDispatch(by, { text: 'true' })
    await tasks.dispatch(next)
    await until(TASK_STATE_EXITED)
    expect(startLog().filter((line) => line.includes(dispatch.id))).toHaveLength(1)
    expect(startLog().filter((line) => line.includes(next.id))).toHaveLength(1)
  })

  it('stop at a cancel, and never start what was cancelled before it came', async () => {
    const running = makeDispatch(by, { text: 'sleep 100' })
    await tasks.dispatch(running)
    await tasks.cancel(makeCancel(by, running))
    expect(await until(TASK_STATE_CANCELLED)).toMatchObject({
      reason: 'the_test_asked',
      started: Started.STARTED_YES,
    })
    const late = makeDispatch(by, { text: 'true' })
    await tasks.cancel(makeCancel(by, late))
    relive()
    await tasks.dispatch(late)
    expect(told).toMatchObject([
      { state: TASK_STATE_CANCELLED, started: Started.STARTED_NO, outputDay: '20261121' },
    ])
    expect(startLog()).toHaveLength(1)
  })

  it('heed no stop that is forged or for another execution', async () => {
    const dispatch = makeDispatch(by, { text: 'sleep 100' })
    await tasks.cancel({ ...makeCancel(by, dispatch), signature: Buffer.alloc(64) })
    await tasks.cancel(makeCancel(by, dispatch, { executionId: 1n }))
    await tasks.dispatch(dispatch)
    await until(TASK_STATE_RUNNING)
    await tasks.cancel(makeCancel(by, dispatch, { executionId: 1n }))
    expect(tasks.runningCount).toBe(1)
  })

  it('end what is over its time', async () => {
    await tasks.dispatch(makeDispatch(by, { text: 'sleep 100', timeoutMs: 30n }))
    expect(await until(TASK_STATE_TIMED_OUT)).toMatchObject({ reason: 'timed_out' })
  })

  it('send output that has the length and the hash that were told, from wherever it is wanted', async () => {
    relive('count=1,latency=10,output=150000')
    await tasks.dispatch(makeDispatch(by, { text: 'echo hi' }))
    const { stdout, dispatchId } = await until(TASK_STATE_EXITED)
    const collect = async () => {
      const pieces: Buffer[] = []
      for (let chunk = await tasks.open.nextChunk(5_000); chunk; chunk = await tasks.open.nextChunk(5_000))
        pieces.push(chunk.data)
      return Buffer.concat(pieces)
    }
    const all = await collect()
    expect([all.length, sha256(all)]).toEqual([150_003, stdout?.sha256])
    relive()
    await tasks.open.resumeOutput(dispatchId, 70_001n, 0n)
    expect(await collect()).toEqual(all.subarray(70_001))
    await tasks.open.acknowledge(dispatchId, OutputStream.OUTPUT_STREAM_STDOUT, 150_003n)
    await tasks.open.settle(dispatchId)
    relive()
    expect(tasks.open.unsettled()).toEqual([])
  })

  it('keep no more output than the order allows', async () => {
    relive('count=1,latency=0,output=5000')
    await tasks.dispatch(makeDispatch(by, { text: 'echo hi', outputCapBytes: 1_000n }))
    expect((await until(TASK_STATE_EXITED)).stdout).toMatchObject({ bytes: 1_000n, truncated: true })
  })
})
