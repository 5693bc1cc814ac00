/** Scenarios about what was put back to an older state: the ledger, a host's journal, the engine. */
import { execFileSync } from 'node:child_process'
import { renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { WorkflowNotFoundError } from '@temporalio/client'
import { EXECUTE_PLAN } from '../../workflows/messages'
import { startOptions } from '../../workflows/start'
import { pause } from '../helpers/api'
import { copyDatabase, putBack } from '../helpers/database-copy'
import { eventually, Scene } from '../helpers/scene'

const HELD = { state: 'paused', reason: 'recovered' }

describe('scenario 03: the database is put back to a copy of some seconds ago', () => {
  let scene: Scene
  // Launched before the copy.
  let ended: string
  let waiting: string
  let long: string
  let steps: string
  let unstarted: string
  let cancelled: string
  // Ended before the copy, and undone after it.
  let undone: string
  // Launched after it.
  let lost: string

  const held = (id: string) =>
    scene.api.until(id, ({ state, reason }) => `${state} ${reason}` === 'paused recovered')
  const counts = async (id: string) => (await scene.api.get(id)).steps.map((step) => step.counts)
  const takeBack = async () => {
    expect((await scene.api.operate(undone, { kind: 'undo' })).body.state).toBe('accepted')
    await scene.api.until(undone, ({ reason }) => reason === 'undone')
    // Each by the hosts, steps and words of its own: a second undo under other ids would be four more.
    expect([...scene.effects.count(undone).values()]).toEqual(Array(8).fill(1))
  }
  const resume = async (id: string) =>
    expect((await scene.api.operate(id, { kind: 'resume' })).body.state).toBe('accepted')

  beforeAll(async () => {
    scene = await Scene.start({ agents: 4 })
    const { api, effects } = scene
    const undo = { language: 'sh', script: effects.line('undo') }
    const deploy = { name: 'deploy', language: 'sh', script: effects.line('deploy'), undo }
    undone = await api.launch({ target: '*', plan: { name: 'undone', steps: [deploy] } })
    await api.ended(undone)
    ended = await scene.launch('*', 'sleep 3; echo told')
    waiting = await scene.launch('*', 'sleep 3', { concurrency: 2 })
    long = await scene.launch('*', 'sleep 45')
    cancelled = await scene.launch('*', 'sleep 120')
    const step = (name: string) => ({ name, language: 'sh', script: `${effects.line(name)}\nsleep 2` })
    steps = await api.launch({ target: '*', plan: { name: 'two', steps: [step('one'), step('two')] } })
    for (const id of [ended, long, cancelled])
      await api.until(id, (view) => view.steps[0]?.counts['running'] === 4)
    await scene.platform.child('worker-1').stop()
    unstarted = await scene.launch('*', 'true')
    const copy = copyDatabase(scene.platform)
    scene.platform.child('worker-1').start()
    lost = await scene.launch('*', 'true')
    expect((await api.operate(cancelled, { kind: 'cancel' })).status).toBeLessThan(300)
    await takeBack()
    for (const id of [ended, waiting, steps, unstarted, lost]) await api.ended(id)
    await api.ended(cancelled)
    await putBack(scene.platform, copy)
  }, 180_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  it('holds every run that was open then, and knows nothing of what came after', async () => {
    for (const id of [ended, waiting, long, steps, unstarted, cancelled])
      expect(await held(id)).toMatchObject(HELD)
    expect((await scene.api.call('GET', `/executions/${lost}`)).status).toBe(404)
  })

  it('learns from the journals what became of its hosts, before anybody resumes anything', async () => {
    for (const id of [ended, waiting, unstarted])
      await scene.api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 4)
    await scene.api.until(cancelled, (view) => view.steps[0]?.counts['cancelled'] === 4)
    await scene.api.until(steps, (view) => view.steps.every((step) => step.counts['succeeded'] === 4))
    expect((await scene.api.get(long)).steps[0]?.counts).toEqual({ running: 4 })
    const [host] = await scene.api.hosts(ended)
    const output = await eventually('the output', async () => {
      const bytes = await scene.api.output(ended, host?.hostId ?? '').catch(() => undefined)
      return bytes?.toString() === 'told\n' ? bytes : undefined
    })
    expect(output.toString()).toBe('told\n')
  })

  it('refuses all but to resume or to cancel, and says what to do', async () => {
    const answer = await scene.api.operate(ended, { kind: 'retry' })
    expect([answer.status, answer.body.code]).toEqual([409, 'operation_refused'])
    expect(answer.body.detail).toContain('resume or cancel')
  })

  it('holds what is launched meanwhile, under ids that nobody has seen', async () => {
    const id = await scene.launch('*', 'true')
    expect(await held(id)).toMatchObject(HELD)
    expect(Number(id)).toBeGreaterThan(1_000_000)
    expect(scene.starts(id)).toBe(0)
    await resume(id)
    expect(await scene.api.ended(id)).toMatchObject({
      state: 'succeeded',
      steps: [{ counts: { succeeded: 4 } }],
    })
    expect([scene.starts(id), scene.ends(id)]).toEqual([4, 4])
  })

  it('ends every run with its true results when it is resumed, and starts no script again', async () => {
    for (const id of [ended, waiting, unstarted]) {
      await resume(id)
      expect(await scene.api.ended(id)).toMatchObject({
        state: 'succeeded',
        steps: [{ counts: { succeeded: 4 } }],
      })
      expect([scene.starts(id), scene.ends(id)]).toEqual([4, 4])
    }
    await resume(steps)
    expect((await scene.api.ended(steps)).state).toBe('succeeded')
    expect(await counts(steps)).toEqual([{ succeeded: 4 }, { succeeded: 4 }])
    expect([...scene.effects.count(steps).values()]).toEqual(Array(8).fill(1))
    await resume(long)
    expect(await scene.api.ended(long)).toMatchObject({
      state: 'succeeded',
      steps: [{ counts: { succeeded: 4 } }],
    })
    expect([scene.starts(long), scene.ends(long)]).toEqual([4, 4])
  }, 120_000)

  it('runs no undo again that is asked for again, for the journals know it', async () => {
    expect((await scene.api.get(undone)).state).toBe('succeeded')
    await takeBack()
    expect((await counts(undone))[1]).toEqual({ succeeded: 4 })
  }, 60_000)

  it('ends a held run that is cancelled, and starts nothing of it', async () => {
    expect((await scene.api.operate(cancelled, { kind: 'cancel' })).status).toBeLessThan(300)
    expect(await scene.api.ended(cancelled)).toMatchObject({
      state: 'cancelled',
      steps: [{ counts: { cancelled: 4 } }],
    })
    expect([scene.starts(cancelled), scene.ends(cancelled)]).toEqual([4, 0])
  })

  it('leaves no workflow behind of a run that it does not know', async () => {
    const client = await scene.temporal()
    await eventually('no workflow runs', async () => {
      const { count } = await client.workflow.count(`ExecutionStatus = 'Running'`)
      return count === 0 ? true : undefined
    })
    expect(scene.starts(lost)).toBe(4)
  })
})

describe("scenario 04: an agent's journal is put back to an older copy", () => {
  let scene: Scene
  let gateway: string

  beforeAll(async () => {
    scene = await Scene.start({ env: { worker: { DROVER_LOST_AFTER_MS: '60000' } } })
    gateway = await scene.gateway('gateway-1')
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  it('is noticed though it lacks one task only: the host is quarantined, and the open task not sent again', async () => {
    const agent = await scene.agent('snapshot', gateway)
    await scene.api.ended(await scene.launch('name:snapshot', 'true'))
    const hostId = await scene.hostId('snapshot')
    const sequence = async () =>
      BigInt(
        (await scene.pool.query('select journal_sequence from host where id = $1', [hostId])).rows[0]
          .journal_sequence,
      )
    const spool = path.join(agent.state, 'spool')
    const before = await sequence()
    // The copy is of a journal at rest: all that it says is told.
    const told = await eventually('the end of the first task is told', async () => {
      const now = await sequence()
      return now > before || now >= 2n ? now : undefined
    })
    execFileSync('cp', ['-a', spool, `${spool}.copy`])
    const open = await scene.launch('name:snapshot', 'sleep 30')
    await scene.api.until(open, (view) => view.steps[0]?.counts['running'] === 1)
    await eventually('the new task is told', async () => ((await sequence()) > told ? true : undefined))
    await agent.kill()
    agent.killScripts()
    rmSync(spool, { recursive: true })
    renameSync(`${spool}.copy`, spool)
    agent.start()
    const { body } = await eventually('the host is quarantined', async () => {
      const answer = await scene.api.insist<{ state: string; stateReason: string }>('GET', `/hosts/${hostId}`)
      return answer.body.state === 'quarantined' ? answer : undefined
    })
    expect(body).toMatchObject({ state: 'quarantined', stateReason: 'journal_rolled_back' })
    const view = await scene.api.ended(open)
    expect(view).toMatchObject({ state: 'failed', steps: [{ counts: { unknown: 1 } }] })
    const [host] = await scene.api.hosts(open)
    expect(host).toMatchObject({ state: 'unknown', started: 'maybe', reason: 'journal_rolled_back' })
    expect(scene.starts(open)).toBe(1)
    const later = await scene.launch('name:snapshot', 'true')
    await scene.api.ended(later)
    expect((await scene.api.hosts(later))[0]).toMatchObject({ state: 'rejected', started: 'no' })
    expect(scene.starts(later)).toBe(0)
  })
})

describe('the engine has forgotten', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.start({ agents: 2 })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  const forget = async (id: string) => {
    const client = await scene.temporal()
    const workflowId = `execution/default/${id}`
    await client.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId },
    })
    await eventually(
      'the engine has none',
      () =>
        client.workflow
          .getHandle(workflowId)
          .describe()
          .then(
            () => undefined,
            (error: unknown) => (error instanceof WorkflowNotFoundError ? true : undefined),
          ),
      60_000,
    )
  }
  const rowOf = async (id: string) =>
    (
      await scene.pool.query(
        `select e.scope_id as "scopeId", 'default' as "scopeName", e.id, e.name, e.hosts, 'admin' as "launchedBy", e.trigger,
           e.workflow_id as "workflowId" from execution e where e.id = $1`,
        [id],
      )
    ).rows[0]

  it('scenario 06: a launch that the sweeper did not see before retention took its finished run starts nothing again', async () => {
    const { platform, api } = scene
    // The API dies between its commit and the start; the start itself was on its way.
    await platform.child('worker-1').stop()
    await platform.child('temporal').stop()
    const id = await scene.launch('*', 'true')
    await platform.child('api-1').stop()
    platform.child('temporal').start()
    await platform.child('temporal').waitReady()
    const client = await scene.temporal()
    await client.workflow.start(EXECUTE_PLAN, startOptions(await rowOf(id)))
    platform.child('worker-1').start()
    platform.child('api-1').start()
    await api.ended(id)
    await platform.child('worker-1').stop()
    await forget(id)
    // Another start of the same row, as from an API that was frozen before it.
    const late = await client.workflow.start(EXECUTE_PLAN, startOptions(await rowOf(id)))
    platform.child('worker-1').start()
    expect(await late.result()).toMatchObject({ state: 'not claimed' })
    await pause(6_000)
    expect(await api.get(id)).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 2 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([2, 2])
  })

  it('a run whose workflow is lost is held, its scripts live, and it ends truly once it is resumed', async () => {
    const { api } = scene
    const id = await scene.launch('*', 'sleep 12')
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    await forget(id)
    expect(await api.until(id, ({ state }) => state === 'paused')).toMatchObject(HELD)
    await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 2)
    expect((await api.operate(id, { kind: 'resume' })).body.state).toBe('accepted')
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 2 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([2, 2])
  })
})

describe('a planned restore', () => {
  let scene: Scene
  let workerEnv: Record<string, string | undefined> = {}

  beforeAll(async () => {
    const adjustEnv = (child: string, env: typeof workerEnv) => {
      if (child !== 'worker-1') return env
      // Read at each start of the child.
      workerEnv = { ...env }
      return workerEnv
    }
    scene = await Scene.start({ agents: 2, adjustEnv })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  it('is recovered before anything else is done, once for each word, and all go on by one word of an operator', async () => {
    const { api, drover, platform, pool } = scene
    const id = await scene.launch('*', 'sleep 8')
    await api.until(id, (view) => view.steps[0]?.counts['running'] === 2)
    const worker = platform.child('worker-1')
    await worker.stop()
    workerEnv['DROVER_RECOVERY'] = 'tuesday'
    worker.start()
    expect(await api.until(id, ({ state }) => state === 'paused')).toMatchObject(HELD)
    const waiting = await scene.launch('*', 'true')
    expect(await api.get(waiting)).toMatchObject(HELD)
    expect(await drover.recoveries()).toMatchObject({
      items: [{ cause: 'operator', name: 'tuesday' }],
      heldRuns: 2,
    })
    expect(await drover.resumeRecovered()).toEqual({ resumed: 2, left: 0 })
    for (const run of [id, waiting]) {
      expect(await api.ended(run)).toMatchObject({
        state: 'succeeded',
        steps: [{ counts: { succeeded: 2 } }],
      })
      expect([scene.starts(run), scene.ends(run)]).toEqual([2, 2])
    }
    await worker.stop()
    const later = await scene.launch('*', 'true')
    worker.start()
    expect((await api.ended(later)).state).toBe('succeeded')
    expect((await pool.query('select count(*)::int as n from recovery')).rows[0].n).toBe(1)
  })

  it('is noticed without a word by a workflow that has ended before its run', async () => {
    const { api, drover, pool } = scene
    const id = await scene.launch('*', 'true')
    await api.ended(id)
    // What a copy of some seconds ago says, where no worker remembers a newer one.
    await pool.query(
      `with e as (update execution set state = 'running', ended_at = null where id = $1),
         s as (update step_execution set state = 'running', ended_at = null where execution_id = $1)
       update host_result set state = 'dispatched', started = 'no', ended_at = null, exit_code = null where execution_id = $1`,
      [id],
    )
    expect(await api.until(id, ({ state }) => state === 'paused', 30_000)).toMatchObject(HELD)
    expect((await drover.recoveries()).items[0]).toMatchObject({ cause: 'engine' })
    await api.until(id, (view) => view.steps[0]?.counts['succeeded'] === 2)
    await drover.resumeRecovered()
    expect(await api.ended(id)).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 2 } }] })
    expect([scene.starts(id), scene.ends(id)]).toEqual([2, 2])
  })
})
