/** Automatic retries: which hosts of a step run again by themselves, and when. */
import type { HostState } from './host-result.js'

export interface RetryPolicy {
  /** Further attempts after the first. */
  attempts: number
  /** Before the first of them. */
  backoffMs: number
  /** Each wait is so many times the one before. */
  factor: number
  maxBackoffMs: number
}

/**
 * Ends that a policy retries: the script ran and said no, or took too long. What was refused, cancelled or never reached
 * would be so again, and what is unknown may have run.
 */
export const autoRetriedStates: readonly HostState[] = ['failed', 'timed_out']

/** How long a host waits after the end of each attempt for the next, ms, in order: after the last one there is none. */
export function retryDelays({ attempts, backoffMs, factor, maxBackoffMs }: RetryPolicy): number[] {
  return Array.from({ length: attempts }, (_, n) =>
    Math.min(maxBackoffMs, Math.round(backoffMs * factor ** n)),
  )
}
