/** Staying connected: session after session, the next gateway after a failure, and full jitter between tries. */
import { delay, fullJitter } from '../../base/backoff.js'
import { createLogger } from '../../base/logger.js'
import type { SessionEnd } from './session.js'

const log = createLogger('agent:session')

// A session that lasted this long was a good one: the next failure starts the backoff anew.
const GOOD_SESSION_MS = 10_000

/** Runs `connect` for ever, until the signal aborts. */
export async function stayConnected(
  gateways: string[],
  connect: (gateway: string) => Promise<SessionEnd>,
  signal: AbortSignal,
): Promise<void> {
  let attempt = 0
  for (let at = 0; !signal.aborted; ) {
    const gateway = gateways[at % gateways.length] ?? ''
    const started = performance.now()
    const end = await connect(gateway)
    if (signal.aborted) return
    const good = end.welcomed && performance.now() - started >= GOOD_SESSION_MS
    if (good) attempt = 0
    // After a good session the same gateway is likely only restarting; a drain sends us elsewhere.
    if (!good || end.code === 'drain') at++
    const waitMs = end.retryAfterMs ?? fullJitter(attempt, Math.random())
    attempt++
    const level = end.welcomed ? 'info' : 'warn'
    log[level]({ gateway, code: end.code, detail: end.message, waitMs }, 'no session; will connect again')
    await delay(waitMs, signal).catch(() => undefined)
  }
}
