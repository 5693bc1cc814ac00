/** Relaying upgrades: signed orders to the agents whose sessions are here, and what agents say of them to the database. */
import { Lookout } from '../../base/lookout.js'
import { type UpgradeReport, UPGRADE_CAPABILITY, UpgradeState as WireState } from '../../proto/index.js'
import {
  listUpgradesToSend,
  recordUpgradeNews,
  type UpgradeNews,
  type UpgradeToSend,
} from '../../store/postgres/upgrades.js'
import type { GatewayDependencies } from '../dependencies.js'
import type { SessionRegistry } from '../session/registry.js'
import type { Session } from '../session/session.js'

const LOOK_EVERY_MS = 2_000

const states: Partial<Record<WireState, UpgradeNews['state']>> = {
  [WireState.UPGRADE_STATE_DOWNLOADING]: 'downloading',
  [WireState.UPGRADE_STATE_PROBATION]: 'probation',
  [WireState.UPGRADE_STATE_DONE]: 'done',
  [WireState.UPGRADE_STATE_ROLLED_BACK]: 'rolled_back',
  [WireState.UPGRADE_STATE_REFUSED]: 'refused',
}
const isFinal = (state: UpgradeNews['state']) => state !== 'downloading' && state !== 'probation'

export class UpgradeRelay implements Disposable {
  private readonly lookout: Lookout
  private readonly off: () => void
  private readonly deps: GatewayDependencies
  private readonly sessions: SessionRegistry

  constructor(deps: GatewayDependencies, sessions: SessionRegistry) {
    this.deps = deps
    this.sessions = sessions
    this.lookout = new Lookout({
      everyMs: LOOK_EVERY_MS,
      look: () => this.look(),
      onError: (err) => deps.logger.warn({ err }, 'upgrades could not be looked for'),
    })
    this.off = deps.hints.on('flags', () => this.lookout.poke())
  }

  private async look(): Promise<void> {
    if (!this.sessions.size) return
    const { name, bootId } = this.deps.self
    for (const upgrade of await listUpgradesToSend(this.deps.pool, { name, bootId })) {
      const session = this.sessions.get(upgrade.hostId)
      // Once in a session: an agent that has it answers, and a new session is told again.
      if (session && session.upgrade?.id !== upgrade.id) await this.send(session, upgrade)
    }
  }

  private async send(session: Session, upgrade: UpgradeToSend): Promise<void> {
    if (!session.capabilities.has(UPGRADE_CAPABILITY)) {
      return recordUpgradeNews(this.deps.pool, {
        scopeId: session.scopeId,
        hostId: session.hostId,
        epoch: session.epoch,
        id: upgrade.id,
        state: 'refused',
        reason: 'capability_missing',
        detail:
          'no supervisor started this agent, so nothing could change it back; see docs/operations/agent-upgrade.md',
      })
    }
    session.upgrade = { id: upgrade.id, bundle: upgrade.sha256.toString('hex') }
    const { order, signature, keyId } = upgrade
    session.send({ $case: 'upgradeAgent', value: { order, signature, keyId } })
  }

  /** Records what an agent says; a final state is answered once it is in the database, until then the agent repeats it. */
  async take(session: Session, report: UpgradeReport): Promise<void> {
    const state = states[report.state]
    if (!state) return
    try {
      await recordUpgradeNews(this.deps.pool, {
        scopeId: session.scopeId,
        hostId: session.hostId,
        epoch: session.epoch,
        id: report.upgradeId.toString(),
        state,
        reason: clean(report.reason, 64),
        detail: clean(report.detail, 500),
      })
      if (isFinal(state)) session.send({ $case: 'upgradeSettled', value: { upgradeId: report.upgradeId } })
    } catch (err) {
      this.deps.logger.warn({ err, hostId: session.hostId }, 'the state of an upgrade could not be recorded')
    }
  }

  [Symbol.dispose](): void {
    void this.lookout.stop()
    this.off()
  }
}

function clean(text: string, length: number): string | null {
  return text.replaceAll(/\p{Surrogate}|\p{Cc}/gu, ' ').slice(0, length) || null
}
