/** Roles and what each may do. Deny by default: what is not listed is refused. */

export const roles = ['viewer', 'operator', 'approver', 'admin'] as const
export type Role = (typeof roles)[number]

/** What an operation of the API asks for: a noun and a verb. */
export type Action =
  | 'host.read'
  | 'host.label'
  | 'host.revoke'
  | 'host.release'
  | 'host.upgrade'
  | 'agent-bundle.read'
  | 'agent-bundle.write'
  | 'group.read'
  | 'group.write'
  | 'script.read'
  | 'script.write'
  | 'public-script.write'
  | 'job.read'
  | 'job.write'
  | 'db-account.read'
  | 'db-account.write'
  | 'secret.read'
  | 'secret.write'
  | 'join-token.read'
  | 'join-token.write'
  | 'execution.read'
  | 'execution.launch'
  | 'execution.operate'
  | 'output.read'

const reads: Action[] = [
  'host.read',
  'agent-bundle.read',
  'group.read',
  'script.read',
  'job.read',
  'db-account.read',
  'secret.read',
  'execution.read',
  'output.read',
]
const grants: Record<Role, ReadonlySet<Action>> = {
  viewer: new Set(reads),
  approver: new Set(reads),
  operator: new Set([
    ...reads,
    'execution.launch',
    'execution.operate',
    'host.label',
    'group.write',
    'script.write',
    'job.write',
  ]),
  admin: new Set<Action>([
    ...reads,
    'execution.launch',
    'execution.operate',
    'host.label',
    'host.revoke',
    'host.release',
    'host.upgrade',
    'agent-bundle.write',
    'group.write',
    'script.write',
    'job.write',
    // Whoever changes where an account signs in has its password sent there.
    'db-account.write',
    'secret.write',
    'public-script.write',
    'join-token.read',
    'join-token.write',
  ]),
}

/** What is done for all scopes at once: by those who may in the platform's own scope, the first. */
const ofPlatform: ReadonlySet<Action> = new Set<Action>(['public-script.write'])

export const isOfPlatform = (action: Action): boolean => ofPlatform.has(action)

/** Whether any of `held` allows `action`. */
export function canDo(held: readonly Role[], action: Action): boolean {
  return held.some((role) => grants[role].has(action))
}
