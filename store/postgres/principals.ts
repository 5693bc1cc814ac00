/** Principals, their roles and their tokens. Only the hash of a token is kept. */
import { createHash, randomBytes } from 'node:crypto'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { Role } from '../../domain/role.js'
import { type Db, one } from './pool.js'
import type { Scope } from './scopes.js'

export interface Caller {
  principalId: PrincipalId
  name: string
  kind: 'person' | 'service'
  /** Roles by scope id. */
  roles: ReadonlyMap<ScopeId, Role[]>
  /** Those scopes, by name. */
  scopes: ReadonlyMap<string, Scope>
}

const hash = (token: string) => createHash('sha256').update(token).digest()

/** A new token; it is shown once and kept as a hash. 256 bits of randomness. */
export function newToken(): string {
  return `drt_${randomBytes(32).toString('base64url')}`
}

/**
 * Makes the first administrator with `token`, unless there is a principal already.
 * @returns whether it was made
 */
export async function bootstrapAdmin(tx: Db, scopeId: ScopeId, token: string): Promise<boolean> {
  await tx.query('lock table principal in share row exclusive mode')
  const made = await tx.query<{ id: PrincipalId }>(
    `insert into principal (scope_id, kind, name)
     select $1, 'person', 'admin' where not exists (select from principal) returning id`,
    [scopeId],
  )
  const [row] = made.rows
  if (!row) return false
  await grantRole(tx, scopeId, row.id, 'admin')
  await insertToken(tx, { scopeId, principalId: row.id, name: 'bootstrap', token })
  return true
}

export async function insertPrincipal(
  db: Db,
  principal: { scopeId: ScopeId; kind: 'person' | 'service'; name: string },
): Promise<PrincipalId> {
  const result = await db.query<{ id: PrincipalId }>(
    'insert into principal (scope_id, kind, name) values ($1, $2, $3) returning id',
    [principal.scopeId, principal.kind, principal.name],
  )
  return one(result).id
}

export async function grantRole(
  db: Db,
  scopeId: ScopeId,
  principalId: PrincipalId,
  role: Role,
): Promise<void> {
  await db.query(
    'insert into role_grant (scope_id, principal_id, role) values ($1, $2, $3) on conflict do nothing',
    [scopeId, principalId, role],
  )
}

export async function insertToken(
  db: Db,
  token: { scopeId: ScopeId; principalId: PrincipalId; name: string; token: string; expiresAt?: Date },
): Promise<void> {
  await db.query(
    `insert into api_token (scope_id, principal_id, name, token_sha256, expires_at) values ($1, $2, $3, $4, $5)`,
    [token.scopeId, token.principalId, token.name, hash(token.token), token.expiresAt ?? null],
  )
}

/** Who holds `token`, with every role; undefined for one that is unknown, expired, revoked or of a disabled principal. */
export async function findCaller(db: Db, token: string): Promise<Caller | undefined> {
  const result = await db.query<{
    principalId: PrincipalId
    name: string
    kind: Caller['kind']
    scopeId: ScopeId | null
    scope: string | null
    role: Role | null
  }>(
    `select p.id as "principalId", p.name, p.kind, g.scope_id as "scopeId", s.name as scope, g.role
     from api_token t
     join principal p on p.id = t.principal_id
     left join (role_grant g join scope s on s.id = g.scope_id and not s.is_public) on g.principal_id = p.id
     where t.token_sha256 = $1 and t.revoked_at is null and p.disabled_at is null
       and (t.expires_at is null or t.expires_at > now())
     order by s.name`,
    [hash(token)],
  )
  const [first] = result.rows
  if (!first) return undefined
  const roles = new Map<ScopeId, Role[]>()
  const scopes = new Map<string, Scope>()
  for (const { scopeId, scope, role } of result.rows) {
    if (!scopeId || !scope || !role) continue
    roles.set(scopeId, [...(roles.get(scopeId) ?? []), role])
    scopes.set(scope, { id: scopeId, name: scope })
  }
  return { principalId: first.principalId, name: first.name, kind: first.kind, roles, scopes }
}
