/** Placement: what becomes, now, of one host that has no end yet and that no open shard holds. */
import type { ErrorCode } from './errors.js'
import type { HostState, Started } from './host-result.js'
import { STEP_ENDED } from './step-execution.js'

/** A host that was sent nothing is offline after this long without a session. */
export const OFFLINE_AFTER_MS = 60_000

/** A host that may be running its script is waited for this long before its outcome is called unknown. */
export const LOST_AFTER_MS = 300_000

/**
 * The same where an operator goes past the step: long enough for a session to move to another gateway. It is told to stop
 * when it comes back.
 */
export const LEFT_AFTER_MS = 15_000

export interface PlacedHost {
  state: HostState
  journalId: string | null
  hostState: 'active' | 'quarantined' | 'revoked'
  /** Why it is quarantined, a code. */
  hostStateReason: string | null
  hostJournalId: string | null
  gateway: string | null
  awayMs: number
  /** It may still run something of its run that it is told to stop. */
  isStopping: boolean
}

export interface PlacementRules {
  cancelled: boolean
  expired: boolean
  lostAfterMs: number
  /** Why a host is given up that was away so long; left out: it is lost. */
  lost?: ErrorCode
  /** An operator has ended the step, and its run is to go on. */
  ending?: boolean
}

export type Placement =
  | { do: 'dispatch'; gateway: string }
  | { do: 'wait' }
  | { do: 'end'; state: HostState; started: Started; reason: ErrorCode }

/** Decides by what is known for sure: only a host that was sent nothing can be said not to have started. */
export function placeHost(host: PlacedHost, rules: PlacementRules): Placement {
  return host.state === 'pending' ? placePending(host, rules) : placeSent(host, rules)
}

function placePending(host: PlacedHost, rules: PlacementRules): Placement {
  const never = (state: HostState, reason: ErrorCode): Placement => ({
    do: 'end',
    state,
    started: 'no',
    reason,
  })
  if (rules.cancelled) return never('cancelled', 'cancelled_by_operator')
  if (rules.ending) return never('cancelled', STEP_ENDED)
  if (rules.expired) return never('rejected', 'execution_expired')
  if (host.hostState === 'revoked') return never('rejected', 'host_revoked')
  if (host.hostState === 'quarantined') return never('rejected', quarantineCode(host))
  // Two scripts of a run, one of which may undo what the other does, are never at work on a host at once.
  if (host.gateway) return host.isStopping ? { do: 'wait' } : { do: 'dispatch', gateway: host.gateway }
  return host.awayMs >= OFFLINE_AFTER_MS ? never('offline', 'agent_offline') : { do: 'wait' }
}

function placeSent(host: PlacedHost, rules: PlacementRules): Placement {
  const unknown = (reason: ErrorCode): Placement => ({
    do: 'end',
    state: 'unknown',
    started: 'maybe',
    reason,
  })
  if (host.hostState === 'revoked') return unknown('host_revoked')
  if (host.hostState === 'quarantined') return unknown(quarantineCode(host))
  // The journal that could have answered is gone: another one must never be asked to start it.
  if (host.journalId !== null && host.hostJournalId !== host.journalId) return unknown('journal_lost')
  if (host.gateway) return { do: 'dispatch', gateway: host.gateway }
  const lostAfterMs = rules.ending ? Math.min(rules.lostAfterMs, LEFT_AFTER_MS) : rules.lostAfterMs
  return host.awayMs >= lostAfterMs ? unknown(rules.lost ?? 'agent_lost') : { do: 'wait' }
}

/** How a host that restarts is waited for: for the time of its step; one whose restart nobody wants any more is lost like any other. */
export function rebootRules(
  { awayMs, isWanted }: { awayMs: number | null; isWanted: boolean },
  lostAfterMs: number,
): Pick<PlacementRules, 'lostAfterMs' | 'lost'> {
  if (awayMs === null) return { lostAfterMs }
  return isWanted
    ? { lostAfterMs: awayMs, lost: 'reboot_overdue' }
    : { lostAfterMs: Math.min(awayMs, lostAfterMs) }
}

function quarantineCode(host: PlacedHost): ErrorCode {
  return host.hostStateReason === 'journal_rolled_back' ? 'journal_rolled_back' : 'journal_conflict'
}
