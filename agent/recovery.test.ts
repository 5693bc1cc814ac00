/** An agent that dies: no task runs twice, none is forgotten, and what cannot be known is said to be unknown. */
import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { delay } from '../base/backoff.js'
import { Started, TaskState, type TaskUpdate } from '../proto/index.js'
import { parseExit } from './journal/records.js'
import { processesOfTask, taskMarker } from './process/proc.js'
import { WRAPPER_FILE } from './process/wrapper.js'
import { expectNoneOfTask } from './testing/leftovers.js'
import { AgentProcess } from './testing/agent-process.js'
import { makeDispatch } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

let gateway: TestGateway
let agent: AgentProcess
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-effects-'))
  gateway = await TestGateway.start()
  agent = await AgentProcess.create(gateway, { DROVER_AGENT_BOOT_ID_FILE: join(folder, 'boot') })
  writeFileSync(join(folder, 'boot'), randomUUID())
  agent.start()
  await gateway.sessionUp()
})

afterEach(async () => {
  await agent.remove()
  await gateway.stop()
  await rm(folder, { recursive: true, force: true })
})

function lines(name: string): string[] {
  const path = join(folder, name)
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
}

async function restart(): Promise<void> {
  await agent.kill()
  gateway.drop()
  agent.start()
  await gateway.sessionUp()
}

async function started(id: string): Promise<void> {
  await gateway.update(id, (update) => update.state === TaskState.TASK_STATE_RUNNING)
}

function taskFolder(id: string): string {
  return join(agent.state, 'spool/tasks', id)
}

describe('after a crash of the agent', () => {
  it('a script runs on, is found again, and its output comes whole and once', async () => {
    const text = `echo $$ >> ${folder}/starts; i=0; while [ $i -lt 200 ]; do echo "line $i of the output"; i=$((i+1)); sleep 0.005; done; exit 9`
    const dispatch = makeDispatch(gateway, { text })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 100)
    await restart()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.exitCode, update.started]).toEqual([
      TaskState.TASK_STATE_EXITED,
      9,
      Started.STARTED_YES,
    ])
    await gateway.outputOf(dispatch.id, update)
    const output = gateway.text(dispatch.id, 1)
    expect(output.toString().trim().split('\n').length).toBe(200)
    expect(sha256(output)).toBe(update.stdout?.sha256.toString('hex'))
    expect([lines('starts').length, gateway.gaps]).toEqual([1, []])
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'or an upgrade by %s twenty scripts go on and are told',
    async (signal) => {
      const dispatches = Array.from({ length: 20 }, (_, n) =>
        makeDispatch(gateway, { text: `sleep 1; echo ${n}; exit ${n}` }),
      )
      for (const dispatch of dispatches) gateway.dispatch(dispatch)
      for (const dispatch of dispatches) await started(dispatch.id)
      await agent.kill(signal)
      gateway.drop()
      agent.start()
      for (const [n, dispatch] of dispatches.entries()) {
        const update = await gateway.final(dispatch.id)
        expect([update.state, update.exitCode]).toEqual([TaskState.TASK_STATE_EXITED, n])
        await gateway.outputOf(dispatch.id, update)
        expect(gateway.text(dispatch.id, 1).toString()).toBe(`${n}\n`)
      }
    },
  )

  it('a flood is held to the cap while no agent runs, and the script lives on', async () => {
    const text = `echo early; while [ ! -e ${folder}/go ]; do sleep 0.02; done; head -c 9000000 /dev/zero; echo last >&2; exit 5`
    const dispatch = makeDispatch(gateway, { text, outputCapBytes: 1_000_000n })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    await agent.kill()
    gateway.drop()
    writeFileSync(join(folder, 'go'), '')
    while (!parseExit(readFileSync(join(taskFolder(dispatch.id), 'exit'), 'utf8'))) await delay(20)
    const held = statSync(join(taskFolder(dispatch.id), 'stdout')).size
    expect(held).toBeGreaterThan(1_000_000)
    expect(held).toBeLessThanOrEqual(1_000_448)
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.exitCode, Number(update.stdout?.bytes), update.stdout?.truncated]).toEqual([
      5,
      1_000_000,
      true,
    ])
    await gateway.outputOf(dispatch.id, update)
    expect(sha256(gateway.text(dispatch.id, 1))).toBe(update.stdout?.sha256.toString('hex'))
  })

  it('a script that ended meanwhile is reported with its time', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo a; sleep 0.3; echo b; exit 2' })
    gateway.dispatch(dispatch)
    await started(dispatch.id)
    await agent.kill()
    gateway.drop()
    while (!parseExit(readFileSync(join(taskFolder(dispatch.id), 'exit'), 'utf8'))) await delay(20)
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.exitCode]).toEqual([TaskState.TASK_STATE_EXITED, 2])
    expect(Number(update.durationMs)).toBeGreaterThanOrEqual(290)
    expect(Number(update.durationMs)).toBeLessThan(1_000)
    await gateway.outputOf(dispatch.id, update)
    expect(gateway.text(dispatch.id, 1).toString()).toBe('a\nb\n')
  })

  it('a script whose watcher was killed is interrupted, and never started again', async () => {
    const dispatch = makeDispatch(gateway, { text: `echo x >> ${folder}/starts; sleep 60` })
    gateway.dispatch(dispatch)
    await started(dispatch.id)
    while (lines('starts').length === 0) await delay(10)
    await agent.kill()
    for (const pid of processesOfTask(taskMarker(gateway.journalId, dispatch.id)))
      process.kill(pid, 'SIGKILL')
    gateway.drop()
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.reason, update.started]).toEqual([
      TaskState.TASK_STATE_INTERRUPTED,
      'interrupted',
      Started.STARTED_YES,
    ])
    expect(lines('starts')).toEqual(['x'])
  })

  it.each(['lives on', 'dies as well'])(
    'a script whose watcher alone was killed is still ended by a cancel when its agent %s',
    async (what) => {
      const dispatch = makeDispatch(gateway, { text: 'setsid sleep 60 & echo ready; wait', graceMs: 200 })
      gateway.dispatch(dispatch)
      await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
      const record = readFileSync(join(taskFolder(dispatch.id), 'pid'), 'utf8')
      process.kill(Number(record.split(' ')[0]), 'SIGKILL')
      if (what === 'dies as well') {
        await agent.kill()
        gateway.drop()
        agent.start()
        await gateway.sessionUp()
      }
      gateway.cancel(dispatch)
      expect((await gateway.final(dispatch.id)).state).toBe(TaskState.TASK_STATE_CANCELLED)
      await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
    },
  )

  it('a script that loses its watcher is interrupted when it ends', async () => {
    const dispatch = makeDispatch(gateway, {
      text: `echo ready; while [ ! -e ${folder}/end ]; do sleep 0.05; done`,
    })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    const record = readFileSync(join(taskFolder(dispatch.id), 'pid'), 'utf8')
    process.kill(Number(record.split(' ')[0]), 'SIGKILL')
    writeFileSync(join(folder, 'end'), '')
    expect(await gateway.final(dispatch.id)).toMatchObject({
      state: TaskState.TASK_STATE_INTERRUPTED,
      started: Started.STARTED_YES,
    })
  })

  it('what a cancelled script left of itself is ended by the next life', async () => {
    const text = '(trap "" TERM; echo ready; exec sleep 60) & wait'
    const dispatch = makeDispatch(gateway, { text, graceMs: 1_000 })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    gateway.cancel(dispatch)
    while (!parseExit(readFileSync(join(taskFolder(dispatch.id), 'exit'), 'utf8'))) await delay(10)
    await agent.kill()
    gateway.drop()
    expect(processesOfTask(taskMarker(gateway.journalId, dispatch.id))).not.toEqual([])
    agent.start()
    expect((await gateway.final(dispatch.id)).state).toBe(TaskState.TASK_STATE_CANCELLED)
    await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
  })

  it('a task that was never claimed is started once, under the next claim', async () => {
    const dispatch = await stopBefore('claim', `echo x >> ${folder}/starts`)
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.exitCode, lines('starts')]).toEqual([TaskState.TASK_STATE_EXITED, 0, ['x']])
    expect(readdirSync(taskFolder(dispatch.id))).toEqual(expect.arrayContaining(['started', 'started.2']))
  })

  it('a task whose claim was made void before is started under the claim after it', async () => {
    const dispatch = await stopBefore('claim', `echo x >> ${folder}/starts`)
    symlinkSync('void', join(taskFolder(dispatch.id), 'started'))
    agent.start()
    expect((await gateway.final(dispatch.id)).exitCode).toBe(0)
    expect(readdirSync(taskFolder(dispatch.id))).toContain('started.3')
    expect(lines('starts')).toEqual(['x'])
  })

  it('a task that was claimed by nobody to be found is interrupted', async () => {
    const dispatch = await stopBefore('claim', `echo x >> ${folder}/starts`)
    mkdirSync(join(taskFolder(dispatch.id), 'started'))
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.started]).toEqual([TaskState.TASK_STATE_INTERRUPTED, Started.STARTED_MAYBE])
    expect(lines('starts')).toEqual([])
  })

  it('and a reboot nothing runs that had not ended', async () => {
    const dispatch = await stopBefore('claim', `echo x >> ${folder}/starts`)
    writeFileSync(join(folder, 'boot'), randomUUID())
    agent.start()
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.reason, update.started]).toEqual([
      TaskState.TASK_STATE_INTERRUPTED,
      'rebooted',
      Started.STARTED_MAYBE,
    ])
    expect(lines('starts')).toEqual([])
  })

  it('a timeout that fell due meanwhile is carried out', async () => {
    const dispatch = makeDispatch(gateway, { text: 'sleep 60', timeoutMs: 400n })
    gateway.dispatch(dispatch)
    await started(dispatch.id)
    await agent.kill()
    gateway.drop()
    await delay(500)
    agent.start()
    expect((await gateway.final(dispatch.id)).state).toBe(TaskState.TASK_STATE_TIMED_OUT)
    await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
  })

  it('a cancel that was journalled is carried out', async () => {
    const dispatch = makeDispatch(gateway, {
      text: 'trap "" TERM; echo ready; while :; do sleep 0.1; done',
      graceMs: 60_000,
    })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    gateway.cancel(dispatch)
    while (!existsSync(join(taskFolder(dispatch.id), 'cancel.json'))) await delay(10)
    await agent.kill()
    gateway.drop()
    for (const pid of processesOfTask(taskMarker(gateway.journalId, dispatch.id)))
      process.kill(pid, 'SIGKILL')
    agent.start()
    expect((await gateway.final(dispatch.id)).state).toBe(TaskState.TASK_STATE_CANCELLED)
  })

  it('a verdict is repeated until it is settled, and then only kept', async () => {
    gateway.options.settle = false
    const { id } = await gateway.run({ text: 'exit 3' })
    await restart()
    expect(gateway.hellos.at(-1)?.tasks.map((task) => task.dispatchId.toString('hex'))).toEqual([id])
    gateway.send({ $case: 'taskSettled', value: { dispatchId: Buffer.from(id, 'hex') } })
    while (!existsSync(join(taskFolder(id), 'settled'))) await delay(10)
    await restart()
    expect(gateway.hellos.at(-1)?.tasks).toEqual([])
    expect(existsSync(join(taskFolder(id), 'result.json'))).toBe(true)
  })

  it('the journal keeps its id and its sequence never goes back', async () => {
    const seen = [gateway.hellos.at(-1)]
    for (let round = 0; round < 3; round++) {
      await gateway.run({ text: 'true' })
      await restart()
      seen.push(gateway.hellos.at(-1))
    }
    expect(new Set(seen.map((hello) => hello?.journalId)).size).toBe(1)
    const sequences = seen.map((hello) => Number(hello?.journalSequence))
    expect(sequences.every((value, at) => at === 0 || value > (sequences[at - 1] ?? 0))).toBe(true)
  })

  it.each([
    ['nothing', undefined],
    ['an empty intent', ''],
    ['half an intent', '{"ver'],
  ])(
    'a folder that it left half made, with %s, is taken away and the order is carried out',
    async (_, intent) => {
      const dispatch = makeDispatch(gateway, { text: 'exit 0' })
      await agent.kill()
      gateway.drop()
      mkdirSync(taskFolder(dispatch.id))
      if (intent !== undefined) writeFileSync(join(taskFolder(dispatch.id), 'intent.json'), intent)
      agent.start()
      await gateway.sessionUp()
      gateway.dispatch(dispatch)
      expect((await gateway.final(dispatch.id)).exitCode).toBe(0)
    },
  )

  it('a second agent will not share its journal', async () => {
    const twin = await AgentProcess.create(gateway, agent.environment)
    twin.start()
    expect(await twin.exited()).toBe(1)
    expect(twin.log).toContain('another agent')
    await rm(twin.state, { recursive: true, force: true })
  })

  /** A task that is accepted and whose wrapper never came to claim it. */
  async function stopBefore(_what: 'claim', text: string): Promise<ReturnType<typeof makeDispatch>> {
    // A wrapper that ends at once stands for one that the crash took with it.
    const wrapper = join(agent.state, 'spool', WRAPPER_FILE)
    writeFileSync(wrapper, 'exec sleep 60\n')
    const dispatch = makeDispatch(gateway, { text })
    gateway.dispatch(dispatch)
    await gateway.update(dispatch.id, (update) => update.state === TaskState.TASK_STATE_ACCEPTED)
    while (processesOfTask(taskMarker(gateway.journalId, dispatch.id)).length === 0) await delay(10)
    await agent.kill()
    gateway.drop()
    for (const pid of processesOfTask(taskMarker(gateway.journalId, dispatch.id)))
      process.kill(pid, 'SIGKILL')
    rmSync(wrapper)
    return dispatch
  }
})

describe('over many crashes at random moments', () => {
  it('every script starts at most once, and every order has an answer', async () => {
    const seed = Number(process.env['DROVER_TEST_SEED'] ?? Date.now() % 100_000)
    const random = mulberry(seed)
    const dispatches: ReturnType<typeof makeDispatch>[] = []
    for (let round = 0; round < 24; round++) {
      await gateway.sessionUp()
      for (let n = 0; n < 3; n++) {
        const effects = `${folder}/${round}-${n}`
        const text = `echo started >> ${effects}; head -c ${Math.floor(random() * 3e5)} /dev/urandom; sleep 0.0${Math.floor(random() * 9)}; echo ended >> ${effects}`
        const dispatch = makeDispatch(gateway, { text, environment: { N: Buffer.from(`${round}-${n}`) } })
        dispatches.push(dispatch)
        gateway.dispatch(dispatch)
      }
      // Every other time at some moment after an acceptance of this round's, else at any moment at all.
      const ids = new Set(dispatches.slice(-3).map((dispatch) => dispatch.id))
      const isAnswered = () => gateway.updates.some((update) => ids.has(update.dispatchId.toString('hex')))
      if (round % 2) await gateway.until('update', isAnswered)
      await delay(random() * 60)
      await agent.kill()
      gateway.drop()
      agent.start()
    }
    await gateway.sessionUp()
    const known = new Set(gateway.updates.map((update) => update.dispatchId.toString('hex')))
    // What the agent never answered is sent again, as a gateway does; the answered ones too, for good measure.
    for (const dispatch of dispatches) gateway.dispatch(dispatch)
    const finals: TaskUpdate[] = []
    for (const dispatch of dispatches) finals.push(await gateway.final(dispatch.id))
    const wrong: string[] = []
    for (const [at, update] of finals.entries()) {
      const name = `${Math.floor(at / 3)}-${at % 3}`
      const effects = lines(name)
      const starts = effects.filter((line) => line === 'started').length
      if (starts > 1) wrong.push(`${name} started ${starts} times`)
      if (update.state === TaskState.TASK_STATE_EXITED && effects.join() !== 'started,ended')
        wrong.push(`${name} ${effects.join()}`)
      if (![TaskState.TASK_STATE_EXITED, TaskState.TASK_STATE_INTERRUPTED].includes(update.state as 4))
        wrong.push(`${name} ${update.state}`)
    }
    expect({ seed, wrong, gaps: gateway.gaps }).toEqual({ seed, wrong: [], gaps: [] })
    expect(known.size).toBeGreaterThanOrEqual(12)
    for (const [at, update] of finals.entries()) {
      const id = dispatches[at]?.id ?? ''
      await gateway.outputOf(id, update)
      expect(sha256(gateway.text(id, 1))).toBe(update.stdout?.sha256.toString('hex'))
    }
    expect(finals.filter((update) => update.state === TaskState.TASK_STATE_EXITED).length).toBeGreaterThan(60)
  }, 120_000)
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A small seeded generator, so that a failing run can be had again with DROVER_TEST_SEED. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
