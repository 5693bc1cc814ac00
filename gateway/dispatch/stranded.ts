/** Stranded tasks: their run was ended in the engine's own UI, so no shard carries them; they are told to stop until they say they have. */
import { listStrandedTasks } from '../../store/postgres/stops.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from '../session/registry.js'
import { sendCancel } from './orders.js'

const LOOK_EVERY_MS = 3_000

export class StrandedWatch implements Disposable {
  private readonly timer: NodeJS.Timeout
  private readonly off: () => void
  private looking = false
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS)
    this.off = deps.hints.on('flags', () => void this.look())
  }

  private async look(): Promise<void> {
    if (this.looking || !this.sessions.size) return
    this.looking = true
    try {
      const hostIds = this.sessions.all().map((session) => session.hostId)
      for (const task of await listStrandedTasks(this.deps.pool, hostIds)) {
        const session = this.sessions.get(task.hostId)
        if (session) sendCancel(session, task, task)
      }
    } catch (err) {
      this.deps.logger.warn({ err }, 'stranded tasks could not be looked for')
    } finally {
      this.looking = false
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer)
    this.off()
  }
}
