/** The key of an attempt's output: its dispatch id, by the formula of proto/dispatch-id.ts, which this part may not import. */
import { createHash } from 'node:crypto'

/** sha256 of "stepExecutionId/attempt/hostId", hex. Must stay what the agent and the worker make of the same three. */
export function dispatchKey(stepExecutionId: string, attempt: number, hostId: string): string {
  return createHash('sha256').update(`${stepExecutionId}/${attempt}/${hostId}`).digest('hex')
}
