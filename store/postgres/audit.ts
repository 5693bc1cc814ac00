/** The audit log: written before the thing is done, each row holding the hash of the one before it. */
import { createHash } from 'node:crypto'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { sortKeys } from '../../domain/sort-keys.js'
import type { Db, Pool } from './pool.js'

export interface AuditEntry {
  scopeId: ScopeId
  principalId: PrincipalId | undefined
  action: string
  resource: string
  requestId: string
  /** Facts chosen one by one by the operation: never a whole request, so that no secret can slip in. */
  detail: Record<string, unknown>
}

/** Appends a row by itself; when it cannot be written, the caller must not go on. */
export async function appendAudit(db: Db, entry: AuditEntry): Promise<void> {
  await db.query('select append_audit($1, $2, $3, $4, $5, $6, $7)', [
    entry.scopeId,
    entry.principalId ?? null,
    entry.action,
    entry.resource,
    entry.requestId,
    JSON.stringify(entry.detail),
    JSON.stringify(saidBy(entry)).slice(1),
  ])
}

/** As `append_audit` of the database makes it (migration 0030). */
function auditHash(entry: AuditEntry, seq: string, at: Date, previous: Buffer): Buffer {
  const facts = [entry.scopeId, seq, at.toISOString(), ...saidBy(entry)]
  return createHash('sha256').update(previous).update(JSON.stringify(facts)).digest()
}

/** What of a row is hashed and known to who writes it. */
function saidBy({ principalId, action, resource, requestId, detail }: AuditEntry): unknown[] {
  // jsonb does not keep the order of keys: the hash must not depend on it.
  return [principalId ?? null, action, resource, requestId, sortKeys(detail)]
}

interface AuditRow {
  seq: string
  at: Date
  principal_id: PrincipalId | null
  action: string
  resource: string
  request_id: string
  detail: Record<string, unknown>
  previous_hash: Buffer
  hash: Buffer
}

/** The first row at which a scope's chain is broken, or undefined if all of it holds. */
export async function findAuditBreak(pool: Pool, scopeId: ScopeId): Promise<string | undefined> {
  let previous: Buffer = Buffer.alloc(32)
  let after = '0'
  for (;;) {
    const page = await pool.query<AuditRow>(
      'select * from audit where scope_id = $1 and seq > $2 order by seq limit 1000',
      [scopeId, after],
    )
    if (!page.rows.length) return undefined
    for (const row of page.rows) {
      const entry = {
        scopeId,
        principalId: row.principal_id ?? undefined,
        action: row.action,
        resource: row.resource,
        requestId: row.request_id,
        detail: row.detail,
      }
      const inLine = BigInt(row.seq) === BigInt(after) + 1n && row.previous_hash.equals(previous)
      if (!inLine || !row.hash.equals(auditHash(entry, row.seq, row.at, previous))) return row.seq
      previous = row.hash
      after = row.seq
    }
  }
}
