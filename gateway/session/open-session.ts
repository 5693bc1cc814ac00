/** Opening a session: the hello is checked, recorded as the newest of its host, and answered. */
import { PlatformError } from '../../domain/errors.js'
import { type Hello, PROTOCOL } from '../../proto/index.js'
import { quarantineHost, replaceFacts } from '../../store/postgres/hosts.js'
import { openSession, type OpenedSession, recordUnusable } from '../../store/postgres/sessions.js'
import { transaction } from '../../store/postgres/transaction.js'
import type { GatewayDependencies } from '../dependencies.js'
import { cleanFacts } from './join.js'
import type { PeerHost } from './peer.js'

export interface Opening {
  epoch: string
  protocol: number
  /** Why the host gets no work, if so. */
  quarantined: string | undefined
}

/**
 * @param isGone whether the stream has ended meanwhile; nothing is recorded then
 * @throws PlatformError protocol_unsupported (the host stays visible), certificate_revoked, session_superseded
 */
export async function open(
  deps: GatewayDependencies,
  peer: PeerHost,
  hello: Hello,
  isGone: () => boolean,
): Promise<Opening> {
  const protocol = Math.min(PROTOCOL.max, hello.protocolMax)
  if (protocol < Math.max(PROTOCOL.min, hello.protocolMin)) {
    await recordUnusable(deps.pool, peer, {
      agentVersion: clip(hello.agentVersion),
      condition: 'protocol_unsupported',
    })
    throw new PlatformError(
      'protocol_unsupported',
      `the agent speaks protocols ${hello.protocolMin} to ${hello.protocolMax}, this gateway ${PROTOCOL.min} to ${PROTOCOL.max}; upgrade the agent`,
    )
  }
  return transaction(deps.pool, async (tx) => {
    const opened = await openSession(tx, {
      ...peer,
      gateway: deps.self.name,
      gatewayBoot: deps.self.bootId,
      agentVersion: clip(hello.agentVersion),
      protocol,
      journalId: clip(hello.journalId),
      journalSequence: clampSequence(hello.journalSequence),
      bootId: clip(hello.bootId),
      machineId: clip(hello.machineId),
      clockSkewMs: skew(hello.clockMs),
      conditions: hello.conditions.slice(0, 16).map(clip),
    })
    if (opened.state === 'revoked')
      throw new PlatformError('certificate_revoked', 'the host was revoked; join again with a new token')
    await replaceFacts(tx, peer.scopeId, peer.hostId, cleanFacts(hello.facts))
    if (isGone())
      throw new PlatformError('session_superseded', 'the agent has gone before its hello was answered')
    const suspicion = suspect(opened, hello)
    if (suspicion) await quarantineHost(tx, peer.scopeId, peer.hostId, suspicion)
    return {
      epoch: opened.epoch,
      protocol,
      quarantined: suspicion ?? (opened.state === 'quarantined' ? 'quarantined' : undefined),
    }
  })
}

/** Why this hello cannot be from the one agent that the server knows, if so. */
function suspect(opened: OpenedSession, hello: Hello): string | undefined {
  const { journalId, journalSequence, connected, formerJournals } = opened.before
  if (journalId === hello.journalId && hello.journalSequence < BigInt(journalSequence))
    return 'journal_rolled_back'
  if (journalId === null || journalId === hello.journalId) return undefined
  // A spool that was lost does not come back: one that does belongs to a second agent, even if the two take turns.
  if (connected || formerJournals.includes(clip(hello.journalId))) return 'journal_conflict'
  return undefined
}

/** How far the host's clock is ahead of ours, ms: a warning, never a reason to lose the host. */
export function skew(clockMs: bigint): number {
  const far = Number.MAX_SAFE_INTEGER
  return Math.max(-far, Math.min(far, Number(clockMs) - Date.now()))
}

function clip(text: string): string {
  return text.replaceAll(/\p{Surrogate}|\p{Cc}/gu, '').slice(0, 128)
}

/** A journal's sequence as the database can hold it. */
export function clampSequence(sequence: bigint): string {
  const most = 2n ** 62n
  return (sequence > most ? most : sequence).toString()
}
