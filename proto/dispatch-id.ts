/** Dispatch ids: the one name of "this attempt of this step on this host", known before anything is sent. */
import { createHash } from 'node:crypto'

/**
 * sha256 over "stepExecutionId/attempt/hostId" in decimal. Temporal's retries and failover reuse it; every retry by
 * policy or person has a new attempt and so a new id.
 * @returns 32 bytes
 */
export function dispatchId(stepExecutionId: string, attempt: number, hostId: string): Buffer {
  return createHash('sha256').update(`${stepExecutionId}/${attempt}/${hostId}`).digest()
}
