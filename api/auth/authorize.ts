/** Who asks, and whether they may: decided before anything of the request's body is read. */
import type { IncomingHttpHeaders } from 'node:http'
import { PlatformError } from '../../domain/errors.js'
import { type Action, canDo, isOfPlatform, type Role } from '../../domain/role.js'
import type { Pool } from '../../store/postgres/pool.js'
import { type Caller, findCaller } from '../../store/postgres/principals.js'
import { firstScope, type Scope } from '../../store/postgres/scopes.js'
import type { Policy } from '../operation.js'

export interface Access {
  caller?: Caller
  scope?: Scope
}

/**
 * @param scopeName of the path; only operations with an action have one
 * @throws PlatformError credential_missing, credential_invalid, scope_unknown, permission_denied
 */
export async function authorize(
  pool: Pool,
  policy: Policy,
  headers: IncomingHttpHeaders,
  scopeName: string | undefined,
): Promise<Access> {
  if (policy === 'public') return {}
  const caller = await authenticate(pool, headers)
  if (policy === 'signed-in') return { caller }
  const scope = caller.scopes.get(scopeName ?? '')
  const held = scope && caller.roles.get(scope.id)
  // A scope in which the caller is nobody is as unknown to them as one that does not exist.
  if (!scope || !held) {
    throw new PlatformError(
      'scope_unknown',
      `there is no scope ${JSON.stringify((scopeName ?? '').slice(0, 100))} that you have a role in; see: drover whoami`,
    )
  }
  await mustAllow(pool, { caller, scope }, policy)
  return { caller, scope }
}

/**
 * What more than its operation's policy a part of a request asks for.
 * @throws PlatformError permission_denied
 */
export async function mustAllow(pool: Pool, access: Required<Access>, action: Action): Promise<void> {
  const why = await whyNotAllowed(pool, access, action)
  if (why !== undefined) throw new PlatformError('permission_denied', why, { details: { action } })
}

/** Whether a part of an answer is for the caller, which the policy of its operation does not say. */
export async function isAllowed(pool: Pool, access: Required<Access>, action: Action): Promise<boolean> {
  return (await whyNotAllowed(pool, access, action)) === undefined
}

async function whyNotAllowed(
  pool: Pool,
  { caller, scope }: Required<Access>,
  action: Action,
): Promise<string | undefined> {
  const held: readonly Role[] = caller.roles.get(scope.id) ?? []
  if (!canDo(held, action))
    return `your role in scope ${scope.name} (${held.join(', ')}) does not allow ${action}; ask an admin of the scope`
  if (isOfPlatform(action) && scope.id !== (await firstScope(pool)).id)
    return `${action} is for all scopes, and not possible from scope ${scope.name}; ask an admin of the platform`
  return undefined
}

async function authenticate(pool: Pool, headers: IncomingHttpHeaders): Promise<Caller> {
  const token = bearerToken(headers)
  const caller = await findCaller(pool, token)
  if (caller) return caller
  throw new PlatformError(
    'credential_invalid',
    'the token is not known, has expired or was revoked; set DROVER_TOKEN to one that is valid',
  )
}

/** @throws PlatformError credential_missing, credential_invalid */
export function bearerToken(headers: IncomingHttpHeaders): string {
  const header = headers.authorization
  if (header === undefined) {
    throw new PlatformError(
      'credential_missing',
      'send a token as "Authorization: Bearer drt_…"; the CLI takes it from DROVER_TOKEN',
    )
  }
  const match = /^Bearer (drt_[A-Za-z0-9_-]{16,200})$/i.exec(header)
  if (match?.[1]) return match[1]
  throw new PlatformError('credential_invalid', 'the Authorization header should read "Bearer drt_…"')
}
