/** Sessions whose agents have fallen silent: a host without power or network closes no connection. */
import type { SessionRegistry } from './registry.js'

const LOOK_EVERY_MS = 2_000

/** What a heartbeat may be late beyond the tenth by which agents vary its time. */
const LATE_MS = 5_000

/**
 * Heartbeats tell that an agent is there. Pings of our own beside them took 4 of the 13 % of a core that 10,000 idle sessions took
 * (docs/benchmarks.md). Silence is counted in looks and not by a clock: while this process gets no turn there are none, and
 * what came meanwhile is read before the next.
 */
export class SilenceWatch implements Disposable {
  private readonly timer: NodeJS.Timeout

  /** @param heartbeatMs how often agents are told to be heard */
  constructor(sessions: SessionRegistry, heartbeatMs: number) {
    const most = Math.ceil((heartbeatMs * 1.1 + LATE_MS) / LOOK_EVERY_MS)
    this.timer = setInterval(() => {
      for (const session of sessions.all()) if (session.countSilence() > most) session.lose()
    }, LOOK_EVERY_MS)
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
  }
}
