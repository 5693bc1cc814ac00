/** What this agent can be asked for, by the branches of the task in the protocol. */
import type { TaskSpec } from '../../proto/index.js'
import { SQL } from './language.js'

type TaskCase = NonNullable<TaskSpec['task']>['$case']

// One entry a branch: a branch without one does not compile.
const capabilities: { [T in TaskCase]: string[] } = {
  script: ['script'],
  scriptWithMore: ['variables', 'secrets'],
  reboot: ['reboot'],
}

/** Names for the hello. @param hasSqlRunner whether the agent's bundle brings one: SQL is a script that needs it */
export function capabilityNames(hasSqlRunner: boolean): string[] {
  return [...Object.values(capabilities).flat(), ...(hasSqlRunner ? [SQL.name] : [])]
}
