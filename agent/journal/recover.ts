/** What a restarted agent makes of a task that it finds in its journal: the table of docs/reference/spool.md. */

/** What is seen on disk and in /proc; nothing else may decide. */
export interface Evidence {
  hasResult: boolean
  hasExit: boolean
  sameBoot: boolean
  /** The task is to restart the host. */
  isReboot: boolean
  claimed: boolean
  /** The wrapper wrote who it is. */
  wrapperKnown: boolean
  wrapperRuns: boolean
  /** The wrapper wrote the group of the script, so the script's process existed. */
  scriptSeen: boolean
  /** That process lives. */
  scriptRuns: boolean
}

export type Recovery =
  /** The verdict is recorded. */
  | { action: 'done' }
  /** The wrapper recorded the end. */
  | { action: 'conclude' }
  /** It runs: watch it again. */
  | { action: 'adopt' }
  /** Nobody has claimed it: void the slot and, if that wins, start under the next. */
  | { action: 'claim' }
  /** Claimed a moment ago, perhaps: look for its marker before giving up. */
  | { action: 'search' }
  /** The host was to be restarted, and was. */
  | { action: 'rebooted' }
  | { action: 'interrupted'; reason: 'interrupted' | 'rebooted'; started: 'yes' | 'maybe' }

export function decideRecovery(seen: Evidence): Recovery {
  if (seen.hasResult) return { action: 'done' }
  if (seen.isReboot && !seen.sameBoot) return { action: 'rebooted' }
  // Its command may have been given, and must not be given again: what comes of it is waited for.
  if (seen.isReboot && (seen.claimed || seen.hasExit)) return { action: 'adopt' }
  if (seen.hasExit) return { action: 'conclude' }
  const started = seen.scriptSeen ? 'yes' : 'maybe'
  // After a reboot the disk may have lost the claim of a script that ran: never start it.
  if (!seen.sameBoot) return { action: 'interrupted', reason: 'rebooted', started }
  if (!seen.claimed) return { action: 'claim' }
  if (!seen.wrapperKnown) return { action: 'search' }
  if (seen.wrapperRuns || seen.scriptRuns) return { action: 'adopt' }
  return { action: 'interrupted', reason: 'interrupted', started }
}
