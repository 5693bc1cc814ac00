/** Heartbeats, gathered: one write for all hosts every few seconds, and one look for sessions that must end. */
import { Lookout } from '../../base/lookout.js'
import type { HostId } from '../../domain/id.js'
import { beatSessions, findStaleSessions } from '../../store/postgres/sessions.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from './registry.js'

interface Beat {
  hostId: HostId
  journalId: string
  journalSequence: string
  clockSkewMs: number
  conditions: string[]
}

const WRITE_EVERY_MS = 5_000
const LOOK_EVERY_MS = 2_000

export class Beats implements Disposable {
  private readonly beats = new Map<HostId, Beat>()
  private readonly writing: Lookout
  private readonly ending: Lookout
  private readonly off: () => void
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
    this.writing = new Lookout({
      everyMs: WRITE_EVERY_MS,
      look: () => this.write(),
      onError: (err) => deps.logger.warn({ err }, 'heartbeats could not be recorded'),
    })
    this.ending = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.endStale(),
      onError: (err) => deps.logger.warn({ err }, 'sessions could not be compared with the database'),
    })
    this.off = deps.hints.on('flags', () => this.ending.poke())
  }

  add(beat: Beat): void {
    const conditions = beat.conditions
      .slice(0, 16)
      .map((text) => text.replaceAll(/[^a-z0-9_]/g, '').slice(0, 64))
    this.beats.set(beat.hostId, { ...beat, conditions })
  }

  private async write(): Promise<void> {
    const beats = [...this.beats.values()].sort((a, b) => (BigInt(a.hostId) < BigInt(b.hostId) ? -1 : 1))
    this.beats.clear()
    await beatSessions(this.deps.pool, beats)
  }

  /** Ends sessions whose host was revoked, or connected to another gateway since. */
  private async endStale(): Promise<void> {
    const open = this.sessions.all()
    if (!open.length) return
    for (const { hostId, epoch, revoked } of await findStaleSessions(this.deps.pool, open)) {
      const code = revoked ? 'certificate_revoked' : 'session_superseded'
      const message = revoked ? 'the host was revoked' : 'a newer session of this host has taken over'
      const session = this.sessions.get(hostId)
      if (session?.epoch === epoch) session.end({ code, message })
    }
  }

  [Symbol.dispose](): void {
    void this.writing.stop()
    void this.ending.stop()
    this.off()
  }
}
