/** The judge itself: what scripts' files deny must not pass for clean. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { dispatchId } from '../../proto/index'
import type { HostResultView, TestApi } from '../helpers/api'
import { EffectFiles } from './effects'
import { FaultLog } from './fault-log'
import { Judge } from './judge'
import type { Lab } from './lab'
import { probe } from './shapes'

const SMALL = 'rack-a-1'
const task = (attempt: number) => dispatchId('5', attempt, '1').toString('hex')

describe('the judge', () => {
  const effects = new EffectFiles()
  const state = mkdtempSync(path.join(tmpdir(), 'drover-judge-'))
  let runs = 0
  afterAll(() => {
    effects.remove()
    rmSync(state, { recursive: true })
  })

  /**
   * Judges one host of one step. @param lines of its effects, as `start` or `end` and the attempt
   * @param undone hosts of what takes the step back, which has come to its end there; undefined: nothing does
   */
  async function judge(
    host: Partial<HostResultView & { truncated: boolean }>,
    lines: [string, number][],
    log = new FaultLog(),
    undone?: number,
  ) {
    const id = String(++runs)
    for (const [word, attempt] of lines)
      appendFileSync(path.join(effects.folder, id), `${word} 5 1 ${task(attempt)}\n`)
    if (undone)
      for (const word of ['start', 'end'])
        appendFileSync(
          path.join(effects.folder, id),
          `${word} 6 1 ${dispatchId('6', 1, '1').toString('hex')}\n`,
        )
    const result = {
      hostId: '1',
      hostName: 'rack-a-2',
      attempt: 1,
      state: 'succeeded',
      started: 'yes',
      ...host,
    }
    const step = { id: '5', position: 0, state: 'succeeded', undoes: null }
    const undo = { id: '6', position: 1, state: 'succeeded', undoes: 0 }
    const api = {
      get: () =>
        Promise.resolve({ id, state: 'succeeded', steps: undone === undefined ? [step] : [step, undo] }),
      hosts: (_id: string, position: number) =>
        Promise.resolve(
          position === 0 ? [result] : Array(undone).fill({ ...result, state: 'succeeded', started: 'yes' }),
        ),
    } as unknown as TestApi
    const lab = { smallDisk: { host: SMALL }, stateOf: () => state } as unknown as Lab
    const judged = new Judge({ lab, api, effects, log })
    const shape = probe(effects, 1)
    const run = {
      id,
      shape,
      launchedAt: Date.now(),
      name: 'chaos',
      done: [],
      operations: 0,
      takenUp: false,
      cancelAsked: false,
    }
    await judged.judge(run)
    return judged
  }
  const whole: [string, number][] = [
    ['start', 1],
    ['end', 1],
  ]

  it('finds a host that began once and came to its end clean', async () => {
    const { findings, tally } = await judge({}, whole)
    expect([findings, tally.starts, tally.launched]).toEqual([[], 1, 1])
  })

  it('counts a task that began twice, and one that nobody ordered', async () => {
    expect((await judge({}, [...whole, ['start', 1]])).tally.doubleRuns).toBe(1)
    expect((await judge({}, [...whole, ['start', 2]])).tally.doubleRuns).toBe(1)
    expect((await judge({ attempt: 2 }, [...whole, ['start', 2], ['end', 2]])).tally.doubleRuns).toBe(0)
  })

  it.each<[string, Partial<HostResultView>, [string, number][]]>([
    ['succeeded and never ran', {}, []],
    ['succeeded and did not come to its end', {}, [['start', 1]]],
    ['not started by the ledger alone', { state: 'offline', started: 'no' }, [['start', 1]]],
    ['failed without a reason', { state: 'failed', exitCode: 137 }, [['start', 1]]],
    ['started by the ledger, not by its files', { state: 'failed', exitCode: 3 }, []],
    ['cancelled by nobody', { state: 'cancelled' }, [['start', 1]]],
    ['rejected without a reason', { state: 'rejected', started: 'no', reason: 'order_expired' }, []],
    ['still pending when its run has ended', { state: 'pending', started: 'no' }, []],
    ['still running when its run has ended', { state: 'running' }, [['start', 1]]],
  ])('counts a loss: %s', async (_what, host, lines) => {
    expect((await judge(host, lines)).tally.silentLosses).toBeGreaterThan(0)
  })

  it('wants what took effect to be undone, and nothing else', async () => {
    const judged = (host: Partial<HostResultView>, lines: [string, number][], undone: number) =>
      judge(host, lines, new FaultLog(), undone)
    expect((await judged({}, whole, 1)).findings).toEqual([])
    expect((await judged({}, whole, 0)).tally.silentLosses).toBe(1)
    expect((await judged({ state: 'offline', started: 'no' }, [], 0)).findings).toEqual([])
    expect((await judged({ state: 'offline', started: 'no' }, [], 1)).tally.silentLosses).toBe(1)
  })

  it('believes that a script was struck down at its begin only where the journal of its host has its process', async () => {
    const cancelled = { state: 'cancelled', started: 'yes', exitCode: null } as const
    const losses = async () =>
      (await judge(cancelled, [])).findings.filter(({ what }) => what.includes('not by its files'))
    expect(await losses()).toHaveLength(1)
    const folder = path.join(state, 'spool/tasks', task(1))
    mkdirSync(folder, { recursive: true })
    const journal = (group: string, receivedUptimeMs: number) => {
      writeFileSync(path.join(folder, 'group'), group.padEnd(20))
      writeFileSync(path.join(folder, 'pid'), '4710 10000'.padEnd(20))
      writeFileSync(path.join(folder, 'cancel.json'), JSON.stringify({ receivedUptimeMs }))
    }
    journal('', 100_050)
    expect(await losses()).toHaveLength(1)
    journal('4711', 100_050)
    expect(await losses()).toEqual([])
    journal('4711', 160_000)
    expect(await losses()).toHaveLength(1)
    rmSync(folder, { recursive: true })
  })

  it('lets a variable be lost where the disk was full, and nowhere else', async () => {
    const lost = { state: 'failed', exitCode: 0, reason: 'variable_not_captured', truncated: true } as const
    expect((await judge({ ...lost, hostName: SMALL }, whole)).findings).toEqual([])
    expect((await judge(lost, whole)).tally.silentLosses).toBe(1)
    expect((await judge({ ...lost, hostName: SMALL, truncated: false }, whole)).tally.silentLosses).toBe(1)
  })

  it('excuses an unknown by a killed wrapper or a reboot of that very host, and by nothing else', async () => {
    const unknown = { state: 'unknown', started: 'maybe' }
    expect((await judge(unknown, [])).findings).toMatchObject([{ kind: 'unknown' }])
    const killed = new FaultLog()
    killed.wrappersKilled.add(task(1))
    expect((await judge(unknown, [], killed)).findings).toEqual([])
    const rebooted = new FaultLog()
    rebooted.reboots.push({ host: 'rack-b-1', at: Date.now() })
    expect((await judge(unknown, [], rebooted)).findings).toHaveLength(1)
    rebooted.reboots.push({ host: 'rack-a-2', at: Date.now() })
    expect((await judge(unknown, [], rebooted)).findings).toEqual([])
  })
})
