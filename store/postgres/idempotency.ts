/** Idempotency keys: the answer of a mutation that was done, by principal and key. */
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import type { Db } from './pool.js'

export interface IdempotentAnswer {
  requestSha256: Buffer
  status: number
  body: unknown
}

interface Key {
  scopeId: ScopeId
  principalId: PrincipalId
  key: string
}

/** Waits for a request with the same key that is under way; held until the transaction ends. */
export async function lockIdempotencyKey(tx: Db, key: Key): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
    `${key.scopeId}/${key.principalId}/${key.key}`,
  ])
}

export async function findAnswer(db: Db, key: Key): Promise<IdempotentAnswer | undefined> {
  const result = await db.query<IdempotentAnswer>(
    `select request_sha256 as "requestSha256", status, body from idempotency where scope_id = $1 and principal_id = $2 and key = $3`,
    [key.scopeId, key.principalId, key.key],
  )
  return result.rows[0]
}

export async function insertAnswer(db: Db, key: Key, answer: IdempotentAnswer): Promise<void> {
  await db.query(
    `insert into idempotency (scope_id, principal_id, key, request_sha256, status, body) values ($1, $2, $3, $4, $5, $6)`,
    [key.scopeId, key.principalId, key.key, answer.requestSha256, answer.status, JSON.stringify(answer.body)],
  )
}
