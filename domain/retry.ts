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

/** How long a host waits after the end of its attempt `attempt` (from 1), ms; undefined if it was the last one. */
export function retryDelayMs(policy: RetryPolicy, attempt: number): number | undefined {
  if (attempt > policy.attempts) return undefined
  return Math.min(policy.maxBackoffMs, Math.round(policy.backoffMs * policy.factor ** (attempt - 1)))
}

/** The waits after each attempt, in order: what the ledger reads the policy as. */
export function retryDelays(policy: RetryPolicy): number[] {
  return Array.from({ length: policy.attempts }, (_, n) => retryDelayMs(policy, n + 1) ?? 0)
}
