/** Launching: whether an execution may start as asked. One path for the API, schedules and nesting. */
import { PlatformError } from './errors.js'
import { TARGET_MAX_HOSTS } from './target.js'

/** A launch on more hosts than this, or on more of a label group than CONFIRM_SHARE, is confirmed by its number. */
export const CONFIRM_ABOVE_HOSTS = 100
export const CONFIRM_SHARE = 0.2

/** Below this many hosts a share of a label group says nothing: two of eight hosts are a quarter. */
const SHARE_FROM_HOSTS = 10

/** A label carried by some of the targets. */
export interface LabelShare {
  /** `key=value` */
  label: string
  /** Hosts of the target that carry it, and hosts of the scope that do. */
  targeted: number
  carrying: number
}

/**
 * Refuses nobody, and too many.
 * @throws PlatformError target_empty, target_too_large
 */
export function checkSize(hosts: number): void {
  if (hosts === 0) {
    throw new PlatformError(
      'target_empty',
      'the target matches no host; see what there is with: drover hosts ls',
    )
  }
  if (hosts > TARGET_MAX_HOSTS) {
    throw new PlatformError(
      'target_too_large',
      `the target matches ${hosts} hosts, at most ${TARGET_MAX_HOSTS} are taken in one run; split it`,
    )
  }
}

/**
 * Refuses many without the number said, and any other number.
 * @param confirm the number of hosts that the caller expects, if any
 * @throws PlatformError confirmation_required
 */
export function checkConfirm(
  hosts: number,
  shares: readonly LabelShare[],
  confirm: number | undefined,
): void {
  const why = whyConfirm(hosts, shares)
  if (confirm === hosts || (why === undefined && confirm === undefined)) return
  const reason = confirm === undefined ? why : `${confirm} hosts were confirmed`
  throw new PlatformError(
    'confirmation_required',
    `the target matches ${hosts} ${hosts === 1 ? 'host' : 'hosts'} (${reason}); say so with --confirm ${hosts}`,
    { details: { hosts } },
  )
}

/** Whether a target of so many hosts has shares that say something. */
export const hasShares = (hosts: number): boolean => hosts >= SHARE_FROM_HOSTS

/** Why a launch must say its number of hosts; undefined if it need not. */
export function whyConfirm(hosts: number, shares: readonly LabelShare[]): string | undefined {
  if (hosts > CONFIRM_ABOVE_HOSTS) return `more than ${CONFIRM_ABOVE_HOSTS}`
  if (!hasShares(hosts)) return undefined
  const share = shares.find(
    (item) => item.targeted >= SHARE_FROM_HOSTS && item.targeted > item.carrying * CONFIRM_SHARE,
  )
  return share && `${share.targeted} of the ${share.carrying} hosts with ${share.label}`
}
