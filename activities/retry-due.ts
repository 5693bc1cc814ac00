/** Automatic retries, at each look at a step. */
import type { StepExecutionId } from '../domain/id.js'
import { retryDueHosts } from '../store/postgres/attempts.js'
import type { Db } from '../store/postgres/pool.js'
import { listRetryHosts } from '../store/postgres/retries.js'
import type { Look } from './contract.js'
import type { Key } from './owner.js'

/** Hosts whose wait is over get their next attempt, and are open again. */
export async function retryDue(
  tx: Db,
  key: Key & { stepExecutionId: StepExecutionId },
  delaysMs: readonly number[],
  isNew: boolean,
): Promise<Pick<Look, 'retrying' | 'watch'>> {
  const hosts = await listRetryHosts(tx, key, delaysMs)
  const due = isNew ? hosts.filter((host) => host.dueInMs <= 0) : []
  if (due.length) {
    const hostIds = due.map((host) => host.hostId)
    await retryDueHosts(tx, key, { id: key.stepExecutionId }, hostIds)
  }
  return { retrying: hosts.length - due.length, watch: true }
}
