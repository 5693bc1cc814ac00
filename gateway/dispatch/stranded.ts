/**
 * Stranded tasks: to be stopped, and no shard carries them here. Their run was ended in the engine's own UI; or it is cancelled
 * or held while the engine is away, and their host has come to this gateway since. They are told to stop until they say they have.
 */
import { Lookout } from '../../base/lookout.js'
import { listStrandedTasks, type StrandedTask } from '../../store/postgres/stops.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from '../session/registry.js'
import { mayTell, sendCancel } from './orders.js'

const LOOK_EVERY_MS = 3_000

export class StrandedWatch implements Disposable {
  private readonly lookout: Lookout
  private readonly off: () => void
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry
  private readonly isCarried: (task: StrandedTask) => boolean

  /** @param isCarried whether a shard that runs here tells the task's host to stop */
  constructor(
    deps: GatewayDependencies,
    sessions: SessionRegistry,
    isCarried: (task: StrandedTask) => boolean,
  ) {
    this.isCarried = isCarried
    this.deps = deps
    this.sessions = sessions
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      onError: (err) => deps.logger.warn({ err }, 'stranded tasks could not be looked for'),
    })
    this.off = deps.hints.on('flags', () => this.lookout.poke())
  }

  private async look(): Promise<void> {
    if (!this.sessions.size) return
    const hostIds = this.sessions.all().map((session) => session.hostId)
    for (const task of await listStrandedTasks(this.deps.pool, hostIds)) {
      const session = this.sessions.get(task.hostId)
      if (session && mayTell(session, task.journalId) && !this.isCarried(task))
        sendCancel(session, task, task)
    }
  }

  [Symbol.dispose](): void {
    void this.lookout.stop()
    this.off()
  }
}
