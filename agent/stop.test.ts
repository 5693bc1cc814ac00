/** Ending scripts: cancel, timeout, and that nothing of a tree is left. */
import { readFileSync } from 'node:fs'
import { Started, TaskState } from '../proto/index.js'
import { processesOfTask, taskMarker } from './process/proc.js'
import { expectNoCgroups, expectNoneOfTask } from './testing/leftovers.js'
import { AgentProcess } from './testing/agent-process.js'
import { makeDispatch, type ScriptInput } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

// A tree in every shape in which processes get away: another session, another parent, another group, ignoring TERM.
const escapees = `
setsid sh -c 'trap "" TERM; sleep 300 & wait' &
( ( trap "" TERM; sleep 300 ) & )
perl -e 'use POSIX; fork and exit; setsid; fork and exit; $SIG{TERM}="IGNORE"; sleep 300' &
trap "" TERM
echo ready
sleep 300 & wait; wait; sleep 300
`
// Two hundred that each go on forking, a third of them in sessions of their own. A minute at most: a test that is killed
// itself must not leave a machine that nobody can work on.
const bomb = `
use POSIX;
my $until = time + 60;
$SIG{TERM} = 'IGNORE';
for my $n (1 .. 200) {
  next if fork;
  POSIX::setsid() if $n % 3 == 0;
  while (time < $until) {
    if (!fork) { select undef, undef, undef, 0.3; exit }
    select undef, undef, undef, 0.1;
    1 while waitpid(-1, WNOHANG) > 0;
  }
  exit;
}
$| = 1;
print "ready\n";
sleep 60;
`

describe.each([
  ['with a cgroup', {}],
  ['without a cgroup', { DROVER_AGENT_CGROUPS: 'false' }],
])('%s', (_name, environment) => {
  let gateway: TestGateway
  let agent: AgentProcess

  beforeAll(async () => {
    gateway = await TestGateway.start()
    agent = await AgentProcess.create(gateway, environment)
    agent.start()
    await gateway.sessionUp()
  })

  afterAll(async () => {
    await agent.remove()
    await gateway.stop()
  })

  async function startReady(task: ScriptInput): Promise<ReturnType<typeof makeDispatch>> {
    const dispatch = makeDispatch(gateway, task)
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.text(dispatch.id, 1).includes('ready'))
    return dispatch
  }

  it('a cancelled script that leaves in its grace keeps its exit code', async () => {
    const dispatch = await startReady({
      text: 'trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done',
    })
    gateway.cancel(dispatch)
    const update = await gateway.final(dispatch.id)
    expect([update.state, update.exitCode, update.reason]).toEqual([
      TaskState.TASK_STATE_CANCELLED,
      7,
      'the_test_asked',
    ])
    await gateway.outputOf(dispatch.id, update)
    expect(gateway.text(dispatch.id, 1).toString()).toBe('ready\nbye\n')
  })

  it('a script that is cancelled while it starts does not run on', async () => {
    for (let round = 0; round < 8; round++) {
      const dispatch = makeDispatch(gateway, {
        text: 'trap "" TERM; while :; do sleep 0.1; done',
        graceMs: 50,
      })
      gateway.dispatch(dispatch)
      const count = gateway.updates.length
      await gateway.until('update', () => gateway.updates.length > count)
      // Somewhere between the claim and the script's first line.
      if (round % 2)
        await gateway.update(dispatch.id, (update) => update.state === TaskState.TASK_STATE_RUNNING)
      gateway.cancel(dispatch)
      expect((await gateway.final(dispatch.id)).state).toBe(TaskState.TASK_STATE_CANCELLED)
      await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
    }
  })

  it('a script that is over its time ends as timed out', async () => {
    const { update } = await gateway.run({ text: 'sleep 60', timeoutMs: 200n })
    expect([update.state, update.started]).toEqual([TaskState.TASK_STATE_TIMED_OUT, Started.STARTED_YES])
    expect(Number(update.durationMs)).toBeGreaterThanOrEqual(200)
    expect(Number(update.durationMs)).toBeLessThan(2_000)
  })

  it('nothing of a tree is left, in whatever session and however often forked', async () => {
    const dispatch = await startReady({ text: escapees, graceMs: 200 })
    expect(processesOfTask(taskMarker(gateway.journalId, dispatch.id)).length).toBeGreaterThan(4)
    gateway.cancel(dispatch)
    const update = await gateway.final(dispatch.id)
    expect(update.state).toBe(TaskState.TASK_STATE_CANCELLED)
    await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
  })

  it('a fork bomb of 200 dies', async () => {
    const dispatch = await startReady({ language: 'perl', text: bomb, graceMs: 100 })
    gateway.cancel(dispatch)
    await gateway.final(dispatch.id)
    await expectNoneOfTask(taskMarker(gateway.journalId, dispatch.id))
  })

  it('no cgroup is left behind', async () => {
    await gateway.run({ text: 'true' })
    await expectNoCgroups(gateway.journalId)
  })
})

describe('a cancel', () => {
  let gateway: TestGateway
  let agent: AgentProcess

  beforeAll(async () => {
    gateway = await TestGateway.start()
    agent = await AgentProcess.create(gateway, { DROVER_AGENT_MAX_TASKS: '1' })
    agent.start()
    await gateway.sessionUp()
  })

  afterAll(async () => {
    await agent.remove()
    await gateway.stop()
  })

  it('that comes before its dispatch keeps it from starting', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo ran' })
    gateway.cancel(dispatch)
    await gateway.final(dispatch.id)
    const count = gateway.updates.length
    gateway.dispatch(dispatch)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)).toMatchObject({
      state: TaskState.TASK_STATE_CANCELLED,
      started: Started.STARTED_NO,
      stepExecutionId: expect.any(BigInt),
      attempt: 1,
    })
    expect(gateway.received(dispatch.id, 1)).toBe(0)
  })

  it('with the stop order of another execution stops nothing, before or after the dispatch', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo ran; sleep 0.3; echo on' })
    gateway.cancel(dispatch, { executionId: 1n })
    await gateway.final(dispatch.id)
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    gateway.cancel(dispatch, { executionId: 1n })
    await gateway.update(dispatch.id, (update) => update.state === TaskState.TASK_STATE_EXITED)
    await gateway.until('chunk', () => gateway.text(dispatch.id, 1).toString() === 'ran\non\n')
  })

  it('that was issued before the task was ordered stops nothing', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo ran; sleep 0.2; exit 4' })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    gateway.cancel(dispatch, { issuedAtMs: 1n })
    expect((await gateway.final(dispatch.id)).exitCode).toBe(4)
  })

  it('that nobody signed stops nothing', async () => {
    const dispatch = makeDispatch(gateway, { text: 'echo ran; sleep 0.2; exit 4' })
    gateway.dispatch(dispatch)
    await gateway.until('chunk', () => gateway.received(dispatch.id, 1) > 0)
    gateway.cancel({ ...dispatch }, {}, 'nobody')
    expect((await gateway.final(dispatch.id)).exitCode).toBe(4)
  })

  it('after the end changes nothing', async () => {
    const { id } = await gateway.run({ text: 'exit 6' })
    const dispatch = makeDispatch(gateway, { text: 'exit 6' })
    gateway.dispatch(dispatch)
    await gateway.final(dispatch.id)
    const count = gateway.updates.length
    gateway.cancel(dispatch)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 6 })
    expect(id).not.toBe(dispatch.id)
  })

  it('of a task that waits for its turn starts nothing, and the turn passes on', async () => {
    const first = makeDispatch(gateway, { text: 'echo ready; sleep 60' })
    const second = makeDispatch(gateway, { text: 'echo second' })
    const third = makeDispatch(gateway, { text: 'echo third' })
    for (const dispatch of [first, second, third]) gateway.dispatch(dispatch)
    await gateway.update(third.id, (update) => update.state === TaskState.TASK_STATE_ACCEPTED)
    gateway.cancel(second)
    expect(await gateway.final(second.id)).toMatchObject({
      state: TaskState.TASK_STATE_CANCELLED,
      started: Started.STARTED_NO,
    })
    gateway.cancel(first)
    expect((await gateway.final(third.id)).exitCode).toBe(0)
    expect(gateway.received(second.id, 1)).toBe(0)
  })
})

describe('an idle agent', () => {
  it('holds at most 90 MB', async () => {
    const gateway = await TestGateway.start()
    const agent = await AgentProcess.create(gateway)
    try {
      agent.start()
      await gateway.sessionUp()
      await gateway.until('heartbeat', () => gateway.beats > 0)
      const status = readFileSync(`/proc/${agent.pid}/status`, 'utf8')
      const residentMb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
      expect(residentMb).toBeGreaterThan(10)
      expect(residentMb).toBeLessThan(90)
    } finally {
      await agent.remove()
      await gateway.stop()
    }
  })
})
