/** The sessions that this gateway holds, one for each host, and whoever wants to know when that changes. */
import type { HostId } from '../../domain/id.js'
import type { Session } from './session.js'

// Agents that are sent away come back at 500 a second, so that those which take them in are not overrun.
const COME_BACK_PER_MS = 0.5

/** When the n-th of the hosts that are sent away together may come back, ms from now. */
export function comeBackAfterMs(index: number): number {
  return Math.round(index / COME_BACK_PER_MS)
}

type Watcher = (hostId: HostId) => void

export class SessionRegistry {
  private readonly sessions = new Map<HostId, Session>()
  private readonly watchers = new Set<Watcher>()

  get size(): number {
    return this.sessions.size
  }

  get(hostId: HostId): Session | undefined {
    return this.sessions.get(hostId)
  }

  all(): Session[] {
    return [...this.sessions.values()]
  }

  /** Takes in a session; an older one of the same host is ended. False if a newer one is here already. */
  add(session: Session): boolean {
    const before = this.sessions.get(session.hostId)
    if (before && BigInt(before.epoch) > BigInt(session.epoch)) return false
    this.sessions.set(session.hostId, session)
    before?.end({ code: 'session_superseded', message: 'a newer session of this host has taken over' })
    this.tell(session.hostId)
    return true
  }

  remove(session: Session): void {
    if (this.sessions.get(session.hostId) !== session) return
    this.sessions.delete(session.hostId)
    this.tell(session.hostId)
  }

  /** @returns a function that takes the watcher away */
  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher)
    return () => void this.watchers.delete(watcher)
  }

  private tell(hostId: HostId): void {
    for (const watcher of this.watchers) watcher(hostId)
  }
}
