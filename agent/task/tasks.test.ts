import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { delay } from '../../base/backoff'
import { Started, type TaskUpdate, TaskState } from '../../proto/index'
import { SecretFolders } from '../capability/secret-files'
import { generateKey } from '../identity/csr'
import { HostKeys } from '../identity/host-keys'
import { Journal } from '../journal/journal'
import { TaskFolder } from '../journal/task-folder'
import { findProgram, findSwitchTools, STANDARD_PATH } from '../process/account'
import { findProcessesOfTask, taskMarker } from '../process/proc'
import { WRAPPER } from '../process/wrapper'
import { makeScriptsRoot, makeStateFolders } from '../state-folder'
import { makeCancel, makeDispatch } from '../testing/orders'
import type { AcceptHost } from './accept'
import { Tasks } from './tasks'

const HOST_ID = '7'
const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const signingKeys = new Map([['k1', publicKey]])
const current = { keyPem: generateKey(), certificatePem: '', unproven: false }

describe('the tasks of a host', () => {
  let state: string
  let tasks: Tasks
  let host: AcceptHost
  let journal: Journal
  let told: TaskUpdate[]

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'drover-tasks-'))
    await makeStateFolders(state)
    journal = await Journal.open(join(state, 'spool'), 'boot')
    told = []
    host = {
      journal,
      names: [],
      hostId: HOST_ID,
      scriptsRoot: await makeScriptsRoot(state, journal.id),
      secretFolders: new SecretFolders(journal.id, join(state, 'scripts')),
      keys: new HostKeys({ hostId: HOST_ID, caPem: '', current, next: undefined, former: [], signingKeys }),
      cgroups: undefined,
      tools: findSwitchTools(),
      setsid: findProgram('setsid', STANDARD_PATH),
      program: '',
      searchPath: STANDARD_PATH,
      rebootCommand: 'true',
      marker: '',
      maxTasks: 8,
      minFreePercent: 0,
      policy: () => ({ readable: true, policy: {} }),
      serverNowMs: () => Date.now(),
      isStopped: () => false,
      isSpoolFull: () => Promise.resolve(false),
      makeRoom: () => Promise.resolve(false),
      fetchScript: () => Promise.reject(new Error('nothing to fetch')),
    }
    tasks = new Tasks(host, signingKeys)
    tasks.listener = { update: (update) => told.push(update), output: () => undefined }
  })

  afterEach(async () => {
    await tasks.stop()
    jest.restoreAllMocks()
    await rm(state, { recursive: true, force: true })
  })

  async function final(id: string): Promise<TaskUpdate> {
    for (;;) {
      const update = told.find(
        ({ dispatchId, state }) => state > TaskState.TASK_STATE_RUNNING && dispatchId.toString('hex') === id,
      )
      if (update) return update
      await delay(10)
    }
  }

  const orderer = () => ({
    hostId: HOST_ID,
    journalId: journal.id,
    signingKeyId: 'k1',
    signingKey: privateKey,
    blobs: new Map<string, Buffer>(),
    now: () => Date.now(),
  })

  it('refuses an order for want of disk only after it has made room, and that was not enough', async () => {
    let rooms = 0
    host.minFreePercent = 101
    host.makeRoom = () => {
      rooms++
      if (rooms > 1) host.minFreePercent = 0
      return Promise.resolve(true)
    }
    const refused = makeDispatch(orderer(), { text: 'true' })
    await tasks.dispatch(refused)
    expect(await final(refused.id)).toMatchObject({ reason: 'agent_disk_full', started: Started.STARTED_NO })
    const taken = makeDispatch(orderer(), { text: 'true' })
    await tasks.dispatch(taken)
    expect(await final(taken.id)).toMatchObject({ state: TaskState.TASK_STATE_EXITED, exitCode: 0 })
    expect(rooms).toBe(2)
  })

  it('cancels what exits while its cancel is being written, as a restart would read it', async () => {
    const by = orderer()
    const dispatch = makeDispatch(by, { text: 'sleep 0.3' })
    // A slow disk: the script is over, and was looked at, before the cancel is in the journal.
    const write = jest.spyOn(TaskFolder.prototype, 'writeCancel').mockImplementation(async function (
      this: TaskFolder,
      cancel,
    ) {
      await delay(1_000)
      write.mockRestore()
      await this.writeCancel(cancel)
    })
    await tasks.dispatch(dispatch)
    while (!told.some(({ state }) => state === TaskState.TASK_STATE_RUNNING)) await delay(5)
    await tasks.cancel(makeCancel(by, dispatch))
    expect(await final(dispatch.id)).toMatchObject({ state: TaskState.TASK_STATE_CANCELLED, exitCode: 0 })
    const folder = new TaskFolder(journal.taskFolder(dispatch.id))
    expect(await folder.readResult()).toMatchObject({ state: TaskState.TASK_STATE_CANCELLED, exitCode: 0 })
  }, 20_000)

  it.each([
    ['has claimed it', 'note "$$ $T" pid'],
    ['has forked', 'note "$L" group'],
  ])(
    'says "never started" of a script whose wrapper stalls when it %s, and makes it true',
    async (_when, line) => {
      const effects = join(state, 'effects')
      await writeFile(journal.wrapper, WRAPPER.replace(line, `sleep 8; ${line}`))
      const by = orderer()
      const dispatch = makeDispatch(by, { text: `echo ran >> ${effects}`, graceMs: 100 })
      await tasks.dispatch(dispatch)
      const folder = new TaskFolder(journal.taskFolder(dispatch.id))
      while (!(await folder.readClaims()).taken) await delay(5)
      if (line.includes('group')) while (!(await folder.readWrapper())) await delay(5)
      await tasks.cancel(makeCancel(by, dispatch))
      const update = await final(dispatch.id)
      expect(update).toMatchObject({ state: TaskState.TASK_STATE_CANCELLED, started: Started.STARTED_NO })
      expect(await findProcessesOfTask(taskMarker(journal.id, dispatch.id))).toEqual([])
      expect(existsSync(effects)).toBe(false)
    },
    30_000,
  )

  it('starts no script whose start cannot be recorded', async () => {
    const effects = join(state, 'effects')
    // A file system that has no room even to write over what is there.
    await writeFile(journal.wrapper, WRAPPER.replace('note "$L" group', 'false'))
    const dispatch = makeDispatch(orderer(), { text: `echo ran >> ${effects}` })
    await tasks.dispatch(dispatch)
    expect(await final(dispatch.id)).toMatchObject({
      state: TaskState.TASK_STATE_REJECTED,
      reason: 'start_failed',
      started: Started.STARTED_NO,
    })
    expect(existsSync(effects)).toBe(false)
  }, 20_000)

  it('says of a script that is cancelled while it is being started whether it began', async () => {
    const by = orderer()
    const effects = join(state, 'effects')
    for (let n = 0; n < 40; n++) {
      const dispatch = makeDispatch(by, { text: `echo ${n} >> ${effects}; sleep 60`, graceMs: 100 })
      await tasks.dispatch(dispatch)
      await delay(n)
      await tasks.cancel(makeCancel(by, dispatch))
      const update = await final(dispatch.id)
      expect(update.state).toBe(TaskState.TASK_STATE_CANCELLED)
      // What the process that becomes the script writes first of all.
      const began = (await new TaskFolder(journal.taskFolder(dispatch.id)).readGroup()) !== undefined
      expect([n, update.started]).toEqual([n, began ? Started.STARTED_YES : Started.STARTED_NO])
      const ran = existsSync(effects) && readFileSync(effects, 'utf8').split('\n').includes(String(n))
      if (!began) expect([n, ran]).toEqual([n, false])
    }
  }, 60_000)
})
