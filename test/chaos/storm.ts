/** A reconnect storm: the gateway that holds a whole fleet is killed, and everyone comes to the other one at once. */
import { performance } from 'node:perf_hooks'
import type { Platform } from '../../stack/platform/platform'
import { startSimulated } from '../../stack/platform/simulated'
import { pause, TestApi } from '../helpers/api'
import { metricsOf, valueOf } from '../helpers/metrics'
import { startTestPlatform } from '../helpers/platform'

export interface StormResult {
  agents: number
  /** From the kill until every session was up again. */
  backSeconds: number
  /** Event loop of the gateway that took them in, from the kill until then. */
  loopLagP99Ms: number
  loopLagMaxMs: number
  /** `true` on two real hosts of the other gateway's, launch to end: before, and while the storm lasted. */
  quietMs: { p50: number; max: number; n: number }
  stormMs: { p50: number; max: number; n: number }
  /** Resident memory of the gateway that took them in, afterwards. */
  gatewayMb: number
}

const REAL = 2
const BACK_WITHIN_MS = 300_000

/** Starts a platform of its own and ends it. */
export async function runStorm(agents: number, say: (line: string) => void): Promise<StormResult> {
  const platform = await startTestPlatform({ agents: REAL, gateways: 2, log: say })
  try {
    await sendRealHostsAway(platform)
    const fleet = startSimulated(platform, { agents, seed: 1 })
    say(`${agents} simulated hosts join and connect`)
    await fleet.waitConnected(900_000)
    const [victim, taker] = await byLoad(platform)
    say(
      `${victim} holds ${await sessionsOf(platform, victim)} sessions, ${taker} ${await sessionsOf(platform, taker)}`,
    )
    const quiet = await probeUntil(
      platform,
      pause(10_000).then(() => undefined),
    )
    // Reading the metrics begins the histogram of the loop's lag anew.
    await metricsOf(platform, taker)
    const killedAt = performance.now()
    platform.child(victim).kill('SIGKILL')
    say(`killed ${victim}`)
    const back = (async () => {
      while ((fleet.status()?.sessions ?? 0) >= agents) await pause(20)
      await fleet.waitConnected(BACK_WITHIN_MS)
      return performance.now() - killedAt
    })()
    const storm = await probeUntil(platform, back)
    const backMs = await back
    const metrics = await metricsOf(platform, taker)
    return {
      agents,
      backSeconds: Math.round(backMs / 100) / 10,
      loopLagP99Ms: Math.round(valueOf(metrics, 'nodejs_eventloop_lag_p99_seconds') * 1_000),
      loopLagMaxMs: Math.round(valueOf(metrics, 'nodejs_eventloop_lag_max_seconds') * 1_000),
      quietMs: summary(quiet),
      stormMs: summary(storm),
      gatewayMb: Math.round(valueOf(metrics, 'process_resident_memory_bytes') / 2 ** 20),
    }
  } finally {
    await platform.close()
  }
}

/** The real hosts leave their gateway when it is killed; the fleet, which comes later, finds it back and empty. */
async function sendRealHostsAway(platform: Platform): Promise<void> {
  const [from, to] = await byLoad(platform)
  platform.child(from).kill('SIGKILL')
  for (const until = Date.now() + 60_000; (await sessionsOf(platform, to)) < REAL; await pause(200))
    if (Date.now() > until) throw new Error(`the real hosts did not move to ${to}`)
  await platform.child(from).waitReady()
}

/** Names of the two gateways, the fullest first. */
async function byLoad(platform: Platform): Promise<[string, string]> {
  const [first, second] = await Promise.all(
    ['gateway-1', 'gateway-2'].map((name) => sessionsOf(platform, name)),
  )
  return (first ?? 0) >= (second ?? 0) ? ['gateway-1', 'gateway-2'] : ['gateway-2', 'gateway-1']
}

/** Launches `true` on the real hosts again and again; at least once. @returns launch to end, ms each */
async function probeUntil(platform: Platform, end: Promise<unknown>): Promise<number[]> {
  const api = new TestApi(platform)
  const taken: number[] = []
  let over = false
  end.then(
    () => (over = true),
    () => (over = true),
  )
  do {
    const from = performance.now()
    const id = await api.launch({
      target: 'env=demo',
      plan: { name: 'probe', steps: [{ name: 'probe', script: 'true' }] },
    })
    const { state } = await api.ended(id, 120_000)
    if (state !== 'succeeded') throw new Error(`the probe r-${id} ${state}`)
    taken.push(performance.now() - from)
    await pause(200)
  } while (!over)
  return taken
}

function summary(taken: number[]): StormResult['quietMs'] {
  const sorted = taken.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
  return { p50: at(0.5), max: at(1), n: sorted.length }
}

async function sessionsOf(platform: Platform, gateway: string): Promise<number> {
  return valueOf(await metricsOf(platform, gateway), 'drover_gateway_sessions')
}
