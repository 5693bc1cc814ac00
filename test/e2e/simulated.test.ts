/** Simulated fleets: real sessions and orders on a real platform, and a start log that counts without Drover's tables. */
import { drawStart } from '../../agent/simulate/draw'
import { hostNames, parseGroup } from '../../agent/simulate/groups'
import type { Platform } from '../../stack/platform/platform'
import { type SimulatedFleet, startSimulated } from '../../stack/platform/simulated'
import { type ExecutionView, type HostResultView, pause, TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'

const SEED = 11
const STEADY = 200
const steady = `name=steady,count=${STEADY},latency=0-300ms`
const flaky = 'name=flaky,count=60,latency=0-100ms,fail=0.3'
const broken = 'name=broken,count=40,lag=100ms,latency=1s-2s,disconnect=2s'
const loud = 'name=loud,count=4,latency=500ms,output=300k,label.rack=x'
const groups = [steady, flaky, broken, loud]

describe('a simulated fleet', () => {
  let platform: Platform
  let api: TestApi
  let fleet: SimulatedFleet

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 0 })
    api = new TestApi(platform)
    fleet = startSimulated(platform, { groups, seed: SEED })
    // Those of the group that loses its connections are never all there at once.
    await fleet.waitConnected(240_000, STEADY + 60 + 4)
  }, 300_000)

  afterAll(() => platform?.close(), 60_000)

  function launch(group: string, script: string): Promise<string> {
    const plan = { name: 'simulated', steps: [{ name: 'only', language: 'sh', script }] }
    return api.launch({ target: `group=${group}`, confirm: hostNames(parseGroup(of(group))).length, plan })
  }

  function of(group: string): string {
    return groups.find((text) => text.startsWith(`name=${group},`)) ?? ''
  }

  async function startsReach(id: string, count: number): Promise<void> {
    for (const until = Date.now() + 60_000; fleet.starts(id).length < count; await pause(50)) {
      if (Date.now() > until) throw new Error(`only ${fleet.starts(id).length} of ${count} started`)
    }
  }

  /** How often each host started it, by the log that the simulator wrote. */
  function startsByHost(id: string): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { host } of fleet.starts(id)) counts[host] = (counts[host] ?? 0) + 1
    return counts
  }

  function once(group: string): Record<string, number> {
    return Object.fromEntries(hostNames(parseGroup(of(group))).map((name) => [name, 1]))
  }

  const counts = (view: ExecutionView) => view.steps[0]?.counts
  const names = (hosts: HostResultView[]) => hosts.map((host) => host.hostName).sort()

  it('fails exactly where its seed says', async () => {
    const id = await launch('flaky', 'true')
    await api.ended(id)
    const hosts = await api.hosts(id)
    const group = parseGroup(flaky)
    const predicted = hostNames(group).filter((name) => drawStart(SEED, name, 0, group).fails)
    expect(predicted.length).toBeGreaterThan(5)
    expect(names(hosts.filter((host) => host.state === 'failed'))).toEqual(predicted)
    expect(names(hosts.filter((host) => host.state === 'succeeded'))).toHaveLength(60 - predicted.length)
    expect(startsByHost(id)).toEqual(once('flaky'))
  })

  it('runs a script once on each of 200 hosts, and says what its text says', async () => {
    const id = await launch('steady', 'echo hello; sleep 0.2; exit 0')
    expect(counts(await api.ended(id))).toEqual({ succeeded: STEADY })
    expect(startsByHost(id)).toEqual(once('steady'))
    const [host] = await api.hosts(id)
    expect((await wholeOutput(id, host)).toString()).toBe('hello\n')
  })

  it('sends as much output as its group was told', async () => {
    const id = await launch('loud', 'echo first')
    await api.ended(id)
    for (const host of await api.hosts(id)) {
      expect(host.stdoutBytes).toBe(300 * 1024 + 6)
      const output = await wholeOutput(id, host)
      expect(output.length).toBe(host.stdoutBytes)
      expect(new Set(output.toString().trimEnd().split('\n')).size).toBe(2)
    }
  })

  it('stops at a cancel', async () => {
    const id = await launch('loud', 'sleep 600')
    await startsReach(id, 4)
    await api.operate(id, { kind: 'cancel' })
    expect(counts(await api.ended(id))).toEqual({ cancelled: 4 })
  })

  it('starts nothing twice when the gateway is killed in mid-run', async () => {
    const id = await launch('steady', 'sleep 4')
    await startsReach(id, STEADY / 2)
    platform.child('gateway-1').kill('SIGKILL')
    expect(counts(await api.ended(id, 120_000))).toEqual({ succeeded: STEADY })
    expect(startsByHost(id)).toEqual(once('steady'))
  }, 180_000)

  it('ends a run on hosts that lose their connection all the time', async () => {
    const id = await launch('broken', 'echo bye')
    expect(counts(await api.ended(id, 180_000))).toEqual({ succeeded: 40 })
    expect(startsByHost(id)).toEqual(once('broken'))
  }, 240_000)

  it('is killed and comes back: nothing starts twice, every host has a verdict, nobody joins anew', async () => {
    const id = await launch('steady', 'sleep 6')
    await startsReach(id, STEADY / 2)
    const before = fleet.status()
    fleet.child.kill('SIGKILL')
    const view = await api.ended(id, 180_000)
    expect(startsByHost(id)).toEqual(once('steady'))
    const hosts = await api.hosts(id)
    const lost = hosts.filter((host) => host.state === 'unknown')
    expect(counts(view)).toEqual({ unknown: lost.length, ...succeeded(STEADY - lost.length) })
    expect(lost.length).toBeGreaterThanOrEqual(STEADY / 2)
    expect(new Set(lost.map((host) => host.reason))).toEqual(new Set(['interrupted']))
    const after = await fleet.waitConnected(60_000, STEADY)
    expect(after).toMatchObject({ joined: before?.joined, twice: 0 })
    expect(after.pid).not.toBe(before?.pid)
    const known = await api.insist<{ items: unknown[] }>('GET', '/hosts?limit=1000&includeRevoked=true')
    expect(known.body.items).toHaveLength(STEADY + 60 + 40 + 4)
    const next = await launch('steady', 'true')
    expect(counts(await api.ended(next))).toEqual({ succeeded: STEADY })
  }, 300_000)

  const succeeded = (count: number) => (count ? { succeeded: count } : {})

  /** Output never holds up a verdict: its last bytes may come after it. */
  async function wholeOutput(id: string, host: HostResultView | undefined): Promise<Buffer> {
    for (const until = Date.now() + 30_000; ; await pause(100)) {
      const output = await api.output(id, host?.hostId ?? '')
      if (output.length >= (host?.stdoutBytes ?? 0) || Date.now() > until) return output
    }
  }
})
