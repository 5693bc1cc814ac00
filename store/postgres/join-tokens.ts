/** Join tokens: short-lived secrets by which a host becomes known; only the public half of a secret's key is kept. */
import { randomBytes } from 'node:crypto'
import { keyOfSecret } from '../../base/secret-key.js'
import { PlatformError } from '../../domain/errors.js'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { type Db, one } from './pool.js'

export interface JoinToken {
  id: string
  labels: Record<string, string>
  usesLeft: number
  expiresAt: Date
  revokedAt: Date | null
  createdAt: Date
}

const columns = `id, labels, uses_left as "usesLeft", expires_at as "expiresAt", revoked_at as "revokedAt", created_at as "createdAt"`

/** A new secret: what stands before the dot of a join token. 256 bits of randomness. */
export function newJoinSecret(): string {
  return `drj_${randomBytes(32).toString('base64url')}`
}

export async function insertJoinToken(
  db: Db,
  token: {
    scopeId: ScopeId
    secret: string
    labels: Record<string, string>
    uses: number
    ttlMs: number
    createdBy: PrincipalId
  },
): Promise<JoinToken> {
  const result = await db.query<JoinToken>(
    `insert into join_token (scope_id, public_key, labels, uses_left, expires_at, created_by)
     values ($1, $2, $3, $4, now() + $5 * interval '1 ms', $6) returning ${columns}`,
    [
      token.scopeId,
      keyOfSecret(token.secret, 'drover join token').publicKey,
      token.labels,
      token.uses,
      token.ttlMs,
      token.createdBy,
    ],
  )
  return one(result)
}

export async function listJoinTokens(
  db: Db,
  scopeId: ScopeId,
  page: { after: string; limit: number },
): Promise<JoinToken[]> {
  const result = await db.query<JoinToken>(
    `select ${columns} from join_token where scope_id = $1 and id > $2 and expires_at > now() order by id limit $3`,
    [scopeId, page.after, page.limit],
  )
  return result.rows
}

/** False if there is none that can still be used. */
export async function revokeJoinToken(db: Db, scopeId: ScopeId, id: string): Promise<boolean> {
  const result = await db.query(
    'update join_token set revoked_at = now() where scope_id = $1 and id = $2 and revoked_at is null',
    [scopeId, id],
  )
  return result.rowCount === 1
}

export interface UsableToken {
  scopeId: ScopeId
  id: string
  labels: Record<string, string>
  usesLeft: number
}

/**
 * The token of a public key, locked until the transaction ends.
 * @throws PlatformError join_token_invalid, join_token_expired
 */
export async function lockJoinToken(tx: Db, publicKey: Buffer): Promise<UsableToken> {
  const found = await tx.query<UsableToken & { expired: boolean; revoked: boolean }>(
    `select scope_id as "scopeId", id, labels, uses_left as "usesLeft", expires_at <= now() as expired, revoked_at is not null as revoked
     from join_token where public_key = $1 for update`,
    [publicKey],
  )
  const [token] = found.rows
  if (!token || token.revoked)
    throw new PlatformError(
      'join_token_invalid',
      'the join token is not known here; make one with: drover hosts join-token',
    )
  if (token.expired)
    throw new PlatformError(
      'join_token_expired',
      'the join token has expired; make one with: drover hosts join-token',
    )
  return token
}

/**
 * Takes one use of a locked token, in the transaction that makes the host.
 * @throws PlatformError join_token_used
 */
export async function useJoinToken(tx: Db, token: UsableToken): Promise<void> {
  if (token.usesLeft < 1)
    throw new PlatformError(
      'join_token_used',
      'the join token has been used up; make one with: drover hosts join-token',
    )
  await tx.query('update join_token set uses_left = uses_left - 1 where scope_id = $1 and id = $2', [
    token.scopeId,
    token.id,
  ])
}
