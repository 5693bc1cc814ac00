/** What leaves the journal, and when. */
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Started, TaskState } from '../../proto/index.js'
import { Journal } from './journal.js'
import { Quota } from './quota.js'
import { EMPTY_STREAM, type Result } from './records.js'
import { Held, type SweepInput, tombstoneUntilMs } from './sweep.js'
import { TaskFolder } from './task-folder.js'

const HOUR = 3_600_000
const id = 'ab'.repeat(32)
let folder: string
let journal: Journal
let task: TaskFolder

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drover-sweep-'))
  journal = await Journal.open(folder, 'boot')
  task = new TaskFolder(journal.taskFolder(id))
  await task.createTombstone(result())
  writeFileSync(join(task.path, 'stdout'), 'x'.repeat(5_000))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function result(): Result {
  return {
    version: 1,
    state: TaskState.TASK_STATE_EXITED,
    executionId: '1',
    stepExecutionId: '1',
    attempt: 1,
    outputDay: '20261121',
    exitCode: 0,
    signal: '',
    reason: '',
    detail: '',
    started: Started.STARTED_YES,
    durationMs: 1,
    stdout: { ...EMPTY_STREAM, bytes: 5_000 },
    stderr: EMPTY_STREAM,
    endedAtMs: 1_000,
    expiresAtMs: 2_000,
  }
}

const input = (more: Partial<SweepInput> = {}): SweepInput => ({
  serverNowMs: 5_000,
  isLive: () => false,
  urgent: false,
  ...more,
})
/** As an agent that has just begun. */
const sweep = (serverNowMs: number | undefined, urgent = false) => {
  journal.full.clear()
  return new Held(journal).find(input({ serverNowMs, urgent }))
}
const hasOutput = () => existsSync(join(task.path, 'stdout'))

function settledMinutesAgo(minutes: number): void {
  const at = (Date.now() - minutes * 60_000) / 1000
  utimesSync(join(task.path, 'settled'), at, at)
}

describe('a tombstone', () => {
  it.each([
    [{ endedAtMs: 0, expiresAtMs: 0 }, 72 * HOUR],
    [{ endedAtMs: 0, expiresAtMs: 100 * HOUR }, 124 * HOUR],
    [{ endedAtMs: 200 * HOUR, expiresAtMs: 100 * HOUR }, 272 * HOUR],
  ])('of %j stays until %d', (times, until) => {
    expect(tombstoneUntilMs(times)).toBe(until)
  })

  it('goes when its time is over by the clock of the server, and not while that is unknown', async () => {
    await task.markSettled('complete')
    await sweep(undefined)
    await sweep(1_000 + 71 * HOUR)
    expect(existsSync(task.path)).toBe(true)
    await sweep(1_000 + 73 * HOUR)
    expect(existsSync(task.path)).toBe(false)
  })

  it('stays for ever while the server has not settled it', async () => {
    await sweep(10_000 * HOUR)
    expect(existsSync(task.path)).toBe(true)
  })
})

describe('output', () => {
  it.each<[string, number, number, boolean, boolean]>([
    ['stays ten minutes', 5_000, 9, false, true],
    ['goes after ten minutes', 5_000, 11, false, false],
    ['goes at once when space is short', 5_000, 0, true, false],
    ['stays while the server lacks a byte of it', 4_999, 60, true, true],
  ])('%s', async (...[, acked, minutes, urgent, stays]) => {
    await task.writeAcked({ stdout: acked, stderr: 0 })
    await task.markSettled('verdict')
    settledMinutesAgo(minutes)
    await sweep(5_000, urgent)
    expect([hasOutput(), existsSync(join(task.path, 'result.json'))]).toEqual([stays, true])
  })
})

describe('a journal over its quota', () => {
  it('frees what it may and refuses only when that is not enough', async () => {
    const quota = (quotaBytes: number) =>
      new Quota({ journal, quotaBytes, serverNowMs: () => 5_000, isLive: () => false })
    expect(await quota(1 << 20).isFull()).toBe(false)
    expect(await quota(28 * 1024).isFull()).toBe(true)
    await task.writeAcked({ stdout: 5_000, stderr: 0 })
    await task.markSettled('complete')
    expect(await quota(28 * 1024).isFull()).toBe(false)
    expect(hasOutput()).toBe(false)
  })
})

describe('what a journal holds', () => {
  const working = 44 * 1024
  const other = 'cd'.repeat(32)
  let held: Held

  beforeEach(async () => {
    await task.writeAcked({ stdout: 5_000, stderr: 0 })
    await task.markSettled('complete')
    settledMinutesAgo(11)
    held = new Held(journal)
    await held.find(input())
  })

  it('is nothing of a tombstone, which is not looked at again', async () => {
    expect([held.bytes(), journal.full.size, existsSync(task.path)]).toEqual([0, 0, true])
    const looks = jest.spyOn(TaskFolder.prototype, 'readResult')
    await held.sweep(input({ urgent: true }))
    expect(looks).not.toHaveBeenCalled()
    looks.mockRestore()
  })

  it('is all of what was written since, also while nobody has swept', async () => {
    const running = new TaskFolder(journal.taskFolder(other))
    await running.createTombstone(result())
    await journal.advance(other)
    writeFileSync(join(running.path, 'stdout'), 'x'.repeat(100_000))
    expect(held.bytes()).toBeGreaterThan(working + 99_000)
    await running.writeAcked({ stdout: 5_000, stderr: 0 })
    await running.markSettled('complete')
    await held.sweep(input({ urgent: true, isLive: () => true }))
    expect(held.bytes()).toBeGreaterThan(working + 99_000)
    // Two at once, as when room is wanted while the sweep of every five minutes is under way.
    await Promise.all([held.sweep(input({ urgent: true })), held.sweep(input({ urgent: true }))])
    expect(held.bytes()).toBe(0)
  })

  it('is nothing of an order that could not be taken on', async () => {
    await journal.advance(other)
    expect(held.bytes()).toBe(working)
    await held.sweep(input())
    expect(held.bytes()).toBe(0)
  })

  it('is no tombstone whose time is over, by the clock of the server', async () => {
    await held.expire(input({ serverNowMs: undefined }))
    await held.expire(input({ serverNowMs: 1_000 + 71 * HOUR }))
    expect(existsSync(task.path)).toBe(true)
    await held.expire(input({ serverNowMs: 1_000 + 73 * HOUR }))
    expect(existsSync(task.path)).toBe(false)
  })
})

describe('a disk that is short of room', () => {
  it('gets what the server has, at once, and not the order or the verdict; it is not asked again and again', async () => {
    await task.createTombstone(result())
    for (const name of ['intent.json', 'pid', 'group', 'exit']) writeFileSync(join(task.path, name), '{}')
    await journal.advance(id)
    const begin = () => new Quota({ journal, quotaBytes: 1e9, serverNowMs: () => 5_000, isLive: () => false })
    const quota = begin()
    await task.markSettled('verdict')
    expect([await quota.makeRoom(), hasOutput()]).toEqual([true, true])

    await task.writeAcked({ stdout: 5_000, stderr: 0 })
    expect([await quota.makeRoom(), hasOutput()]).toEqual([false, true])
    // Another life of the agent, which has not looked at its journal yet, and two orders at once.
    journal.full.clear()
    const again = begin()
    expect(await Promise.all([again.makeRoom(), again.makeRoom()])).toEqual([true, true])
    expect(readdirSync(task.path).sort()).toEqual(['acked.json', 'intent.json', 'result.json', 'settled'])
  })
})

describe('the sequence of a journal', () => {
  it('never goes back, however it was closed', async () => {
    let last = journal.sequence
    for (let round = 0; round < 5; round++) {
      const again = await Journal.open(folder, 'boot')
      expect(again.id).toBe(journal.id)
      for (let n = 0; n < 70; n++) await again.advance(id)
      expect(again.sequence).toBeGreaterThan(last)
      last = again.sequence
    }
  })
})
