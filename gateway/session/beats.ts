/** Heartbeats, gathered: one write for all hosts every few seconds, and one look for sessions that must end. */
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
  private readonly timers: NodeJS.Timeout[]
  private readonly off: () => void
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
    this.timers = [
      setInterval(() => void this.write(), WRITE_EVERY_MS),
      setInterval(() => void this.endStale(), LOOK_EVERY_MS),
    ]
    this.off = deps.hints.on('flags', () => void this.endStale())
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
    await beatSessions(this.deps.pool, beats).catch((err) =>
      this.deps.logger.warn({ err }, 'heartbeats could not be recorded'),
    )
  }

  /** Ends sessions whose host was revoked, or connected to another gateway since. */
  private async endStale(): Promise<void> {
    const open = this.sessions.all()
    if (!open.length) return
    try {
      for (const { hostId, epoch, revoked } of await findStaleSessions(this.deps.pool, open)) {
        const code = revoked ? 'certificate_revoked' : 'session_superseded'
        const message = revoked ? 'the host was revoked' : 'a newer session of this host has taken over'
        const session = this.sessions.get(hostId)
        if (session?.epoch === epoch) session.end({ code, message })
      }
    } catch (err) {
      this.deps.logger.warn({ err }, 'sessions could not be compared with the database')
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.timers) clearInterval(timer)
    this.off()
  }
}
