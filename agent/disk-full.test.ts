/** A host without room: refused before it is promised, and nothing half done stays. Needs root for a small tmpfs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { delay } from '../base/backoff.js'
import { Started, TaskState } from '../proto/index.js'
import { AgentProcess } from './testing/agent-process.js'
import { expectNoCgroups } from './testing/leftovers.js'
import { makeDispatch } from './testing/orders.js'
import { TestGateway } from './testing/test-gateway.js'

function canMount(): boolean {
  try {
    const probe = mkdtempSync(join(tmpdir(), 'drover-mount-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'drover', probe], { stdio: 'ignore' })
    execFileSync('umount', [probe])
    rmSync(probe, { recursive: true })
    return true
  } catch {
    return false
  }
}

/** The wrapper and its copiers may end a moment after the verdict, and hold the disk until then: a second, no longer. */
async function unmount(folder: string): Promise<void> {
  for (const until = Date.now() + 1_000; ; ) {
    try {
      return void execFileSync('umount', [folder], { stdio: 'pipe' })
    } catch (error) {
      if (Date.now() > until) throw error
      await delay(20)
    }
  }
}

// Counted as skipped where tmpfs cannot be mounted: run as root to have it.
const suite = canMount() ? describe : describe.skip

suite('on a full disk', () => {
  let gateway: TestGateway
  let agent: AgentProcess
  let disk: string

  beforeEach(async () => {
    disk = mkdtempSync(join(tmpdir(), 'drover-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'drover', disk])
    gateway = await TestGateway.start()
  })

  afterEach(async () => {
    await agent.remove()
    await gateway.stop()
    await unmount(disk)
    rmSync(disk, { recursive: true })
  })

  async function start(environment: Record<string, string>): Promise<void> {
    agent = await AgentProcess.create(gateway, { DROVER_AGENT_STATE: join(disk, 'state'), ...environment })
    agent.start()
    await gateway.sessionUp()
  }

  const tasks = () => readdirSync(join(disk, 'state/spool/tasks'))
  // Beside the commands that scripts find on their PATH.
  const scripts = () => readdirSync(join(disk, 'state/scripts')).filter((name) => name !== 'tools')

  it.each([
    ['there is less than the reserve', {}],
    ['the write itself fails', { DROVER_AGENT_MIN_FREE_PERCENT: '0' }],
  ])(
    'an order is refused under its code where %s, and taken when there is room again',
    async (_why, environment) => {
      await start(environment)
      try {
        writeFileSync(join(disk, 'ballast'), Buffer.alloc(16 << 20))
      } catch {
        // Full, as it was meant to be.
      }
      const dispatch = makeDispatch(gateway, { text: 'echo ran' })
      gateway.dispatch(dispatch)
      const update = await gateway.final(dispatch.id)
      expect([update.state, update.reason, update.started]).toEqual([
        TaskState.TASK_STATE_REJECTED,
        'agent_disk_full',
        Started.STARTED_NO,
      ])
      expect([tasks(), scripts()]).toEqual([[], []])
      // It was made before the order came to the disk.
      await expectNoCgroups(gateway.journalId)
      rmSync(join(disk, 'ballast'))
      expect((await gateway.run({ text: 'exit 2' })).update.exitCode).toBe(2)
    },
  )

  it('an order is refused while less than the reserve is free', async () => {
    await start({ DROVER_AGENT_MIN_FREE_PERCENT: '50' })
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(5 << 20))
    const dispatch = makeDispatch(gateway, { text: 'echo ran' })
    gateway.dispatch(dispatch)
    expect(await gateway.final(dispatch.id)).toMatchObject({ reason: 'agent_disk_full' })
    expect(gateway.received(dispatch.id, 1)).toBe(0)
  })

  it('a script whose output fills it lives on, and what is missing is marked', async () => {
    await start({})
    const { update, stdout } = await gateway.run({
      text: 'head -c 20000000 /dev/zero && echo whole >&2; exit 3',
    })
    expect([update.state, update.exitCode, update.stdout?.truncated]).toEqual([
      TaskState.TASK_STATE_EXITED,
      3,
      true,
    ])
    expect(stdout.length).toBeGreaterThan(1 << 20)
    expect(stdout.length).toBeLessThan(8 << 20)
  })

  it('a script that fills the disk itself still has its end recorded', async () => {
    await start({})
    const dispatch = makeDispatch(gateway, {
      text: `head -c 20000000 /dev/zero > ${disk}/flood 2>/dev/null; exit 3`,
    })
    gateway.dispatch(dispatch)
    expect(await gateway.final(dispatch.id)).toMatchObject({
      state: TaskState.TASK_STATE_EXITED,
      exitCode: 3,
    })
    await agent.kill()
    gateway.drop()
    rmSync(join(disk, 'flood'))
    agent.start()
    await gateway.sessionUp()
    const count = gateway.updates.length
    gateway.dispatch(dispatch)
    await gateway.until('update', () => gateway.updates.length > count)
    expect(gateway.updates.at(-1)).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 3 })
  })

  it('the agent comes up all the same, tells of what ended, and its journal never goes back', async () => {
    await start({})
    const dispatch = makeDispatch(gateway, { text: 'sleep 0.5; exit 4' })
    gateway.dispatch(dispatch)
    await gateway.until('update', () =>
      gateway.updates.some((update) => update.state === TaskState.TASK_STATE_RUNNING),
    )
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(16 << 20))
    } catch {
      // Full, as it was meant to be.
    }
    const told = [gateway.hellos.at(-1)?.journalSequence ?? 0n]
    for (let life = 0; life < 2; life++) {
      await agent.kill()
      gateway.drop()
      const count = gateway.hellos.length
      agent.start()
      await gateway.until('session', () => gateway.hellos.length > count)
      told.push(gateway.hellos.at(-1)?.journalSequence ?? 0n)
      const another = makeDispatch(gateway, { text: 'echo ran' })
      gateway.dispatch(another)
      expect(await gateway.final(another.id)).toMatchObject({ reason: 'agent_disk_full' })
    }
    expect(await gateway.final(dispatch.id)).toMatchObject({ exitCode: 4 })
    expect(told).toEqual([...told].sort((a, b) => Number(a - b)))
  })
})
