/** Why a workflow has ended although its run has not: who has lost their memory, the ledger or the engine, or has somebody ended it. */

/** What the engine says of the newest run of a workflow id. */
export interface FoundWorkflow {
  /** NOT_FOUND: the engine has none. */
  status: string
  /** First run of its chain, if it has ended. */
  firstRunId?: string | undefined
  closedAt?: Date | undefined
}

// The engine's words for a workflow that does nothing any more; every other one, new ones included, may still go on.
const CLOSED = ['COMPLETED', 'FAILED', 'CANCELLED', 'CANCELED', 'TERMINATED', 'TIMED_OUT', 'NOT_FOUND']

/** Whether a workflow of this status has ended; NOT_FOUND: the engine has none. */
export function isClosed(status: string): boolean {
  return CLOSED.includes(status)
}

/**
 * A workflow completes only after the ledger has its run's end, or after the ledger gave the run to another one. So one that
 * completed, and that the ledger gave the run to (or to nobody yet), shows a ledger which is older than that.
 * @param run the run's row, which has no end
 */
export function whyClosed(
  run: { runId: string | null },
  found: FoundWorkflow,
): 'ledger put back' | 'engine forgot' | 'ended by somebody' {
  if (found.status === 'NOT_FOUND') return 'engine forgot'
  const isOther = run.runId !== null && run.runId !== found.firstRunId
  // The one that had the run is gone, and one that came under its name was refused.
  if (isOther) return 'engine forgot'
  return found.status === 'COMPLETED' ? 'ledger put back' : 'ended by somebody'
}
