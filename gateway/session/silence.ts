/** Sessions whose agents have fallen silent: a host without power or network closes no connection. */
import type { Logger } from '../../base/logger.js'
import { comeBackAfterMs, type SessionRegistry } from './registry.js'

const LOOK_EVERY_MS = 2_000

/** What a heartbeat may be late beyond the tenth by which agents vary its time. */
const LATE_MS = 5_000

/**
 * Heartbeats tell that an agent is there. Pings of our own beside them took 4 of the 13 % of a core that 10,000 idle sessions took
 * (docs/benchmarks.md). Silence is counted in looks and not by a clock: while this process gets no turn there are none, and what
 * came meanwhile is read before the next. What a look finds is given up one after another, for each is written to the ledger.
 */
export class SilenceWatch implements Disposable {
  private readonly timer: NodeJS.Timeout
  private readonly most: number
  private readonly sessions: Pick<SessionRegistry, 'all'>
  private readonly logger: Logger

  /** @param heartbeatMs how often agents are told to be heard */
  constructor(sessions: Pick<SessionRegistry, 'all'>, heartbeatMs: number, logger: Logger) {
    this.sessions = sessions
    this.logger = logger
    this.most = Math.ceil((heartbeatMs * 1.1 + LATE_MS) / LOOK_EVERY_MS)
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS)
  }

  private look(): void {
    // Each once: those that were found before may still have their turn to come.
    const silent = this.sessions.all().filter((session) => session.countSilence() === this.most + 1)
    for (const [index, session] of silent.entries()) {
      const giveUp = () => {
        if (session.silence <= this.most) return
        this.logger.info({ hostId: session.hostId }, 'nothing was heard of an agent; its session is over')
        session.lose()
      }
      setTimeout(giveUp, comeBackAfterMs(index)).unref()
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
  }
}
