/** What this agent can be asked for, by the name of the task's branch in the protocol. */
import type { TaskSpec } from '../../proto/index.js'

type TaskCase = NonNullable<TaskSpec['task']>['$case']

// One entry a branch: a branch without one does not compile.
const capabilities: { [T in TaskCase]: string } = { script: 'script' }

/** Names for the hello. */
export function capabilityNames(): string[] {
  return Object.values(capabilities)
}
