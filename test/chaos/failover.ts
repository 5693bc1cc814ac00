/** How long a fleet stands still: a gateway that dies with work under way, and a host that goes silent without a word. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { pause, TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'

export interface FailoverResult {
  /** From the kill of the gateway that held all hosts to the next start of a script; the worst of so many kills. */
  gatewayDeathSeconds: number
  kills: number
  /** From the moment a host's agent is frozen, its connection standing, until the API says that it is not connected. */
  deadPeerSeconds: number
}

const HOSTS = 6
const KILLS = 3

/** Starts a platform of its own and ends it. */
export async function measureFailover(say: (line: string) => void): Promise<FailoverResult> {
  const platform = await startTestPlatform({ agents: HOSTS, gateways: 2, log: say })
  const folder = mkdtempSync(path.join(tmpdir(), 'drover-failover-'))
  try {
    const gaps: number[] = []
    for (let n = 0; n < KILLS; n++) {
      gaps.push(await killUnderWork(platform, path.join(folder, `starts-${n}`)))
      say(`work stood still for ${gaps.at(-1)?.toFixed(1)} s`)
    }
    return {
      gatewayDeathSeconds: Math.round(Math.max(...gaps) * 10) / 10,
      kills: KILLS,
      deadPeerSeconds: Math.round((await freezeAgent(platform)) * 10) / 10,
    }
  } finally {
    await platform.close()
    rmSync(folder, { recursive: true })
  }
}

/** Many short steps, so that something is always about to start. @returns the longest time without a start, s */
async function killUnderWork(platform: Platform, startsFile: string): Promise<number> {
  const api = new TestApi(platform)
  const steps = Array.from({ length: 12 }, (_, n) => ({
    name: `step-${n}`,
    script: `date +%s%3N >> ${startsFile}\nsleep 0.4`,
    concurrency: 2,
  }))
  const id = await api.launch({ target: '*', plan: { name: 'failover', steps } })
  const starts = () => {
    try {
      return readFileSync(startsFile, 'utf8').trim().split('\n').map(Number)
    } catch {
      return []
    }
  }
  while (starts().length < 8) await pause(20)
  const victim = await busiest(platform)
  const killedAt = Date.now()
  platform.child(victim).kill('SIGKILL')
  const { state } = await api.ended(id, 180_000)
  if (state !== 'succeeded') throw new Error(`r-${id} ${state}`)
  const times = starts().toSorted((a, b) => a - b)
  if (times.length !== HOSTS * steps.length)
    throw new Error(`${times.length} starts of ${HOSTS * steps.length}`)
  await platform.child(victim).waitReady()
  const after = times.filter((at) => at >= killedAt - 1_000)
  return Math.max(...after.slice(1).map((at, n) => at - (after[n] ?? at))) / 1_000
}

/** The gateway that holds the most hosts. */
async function busiest(platform: Platform): Promise<string> {
  const { body } = await new TestApi(platform).insist<{ items: { gateway: string | null }[] }>(
    'GET',
    '/hosts?limit=100',
  )
  const held = body.items.map((host) => host.gateway ?? '')
  const count = (name: string) => held.filter((gateway) => gateway === name).length
  return count('gateway-1') >= count('gateway-2') ? 'gateway-1' : 'gateway-2'
}

async function freezeAgent(platform: Platform): Promise<number> {
  const name = platform.hosts[0]?.name ?? ''
  const child = platform.child(name)
  const api = new TestApi(platform)
  const isConnected = async () => {
    const { body } = await api.insist<{ items: { connected: boolean }[] }>(
      'GET',
      `/hosts?target=name%3A${name}`,
    )
    return body.items[0]?.connected === true
  }
  while (!(await isConnected())) await pause(100)
  const from = Date.now()
  child.kill('SIGSTOP')
  try {
    while (await isConnected()) await pause(50)
    return (Date.now() - from) / 1_000
  } finally {
    child.kill('SIGCONT')
  }
}
