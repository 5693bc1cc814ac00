/** The audit log: written before the thing is done, each row holding the hash of the one before it. */
import { createHash } from 'node:crypto'
import type { PrincipalId, ScopeId } from '../../domain/id.js'
import { sortKeys } from '../../domain/sort-keys.js'
import { type Pool, one } from './pool.js'
import { transaction } from './transaction.js'

export interface AuditEntry {
  scopeId: ScopeId
  principalId: PrincipalId | undefined
  action: string
  resource: string
  requestId: string
  /** Facts chosen one by one by the operation: never a whole request, so that no secret can slip in. */
  detail: Record<string, unknown>
}

// Any constant: the first key of the two-key advisory lock that puts a scope's audit rows in line.
const AUDIT_LOCK = 0x617564

/** Appends a row in a transaction of its own; when it cannot be written, the caller must not go on. */
export async function appendAudit(pool: Pool, entry: AuditEntry): Promise<void> {
  await transaction(pool, async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1, hashint8($2::bigint))', [AUDIT_LOCK, entry.scopeId])
    const last = await tx.query<{ at: Date; seq: string | null; hash: Buffer | null }>(
      `select date_trunc('milliseconds', clock_timestamp()) as at, last.seq, last.hash
       from (values (1)) as always left join (select seq, hash from audit where scope_id = $1 order by seq desc limit 1) last on true`,
      [entry.scopeId],
    )
    const { at, ...row } = one(last)
    const seq = BigInt(row.seq ?? 0) + 1n
    const previous = row.hash ?? Buffer.alloc(32)
    await tx.query(
      `insert into audit (scope_id, seq, at, principal_id, action, resource, request_id, detail, previous_hash, hash)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        entry.scopeId,
        seq.toString(),
        at,
        entry.principalId ?? null,
        entry.action,
        entry.resource,
        entry.requestId,
        JSON.stringify(entry.detail),
        previous,
        auditHash(entry, seq.toString(), at, previous),
      ],
    )
  })
}

function auditHash(entry: AuditEntry, seq: string, at: Date, previous: Buffer): Buffer {
  const { scopeId, principalId, action, resource, requestId, detail } = entry
  const facts = [
    scopeId,
    seq,
    at.toISOString(),
    principalId ?? null,
    action,
    resource,
    requestId,
    // jsonb does not keep the order of keys: the hash must not depend on it.
    sortKeys(detail),
  ]
  return createHash('sha256').update(previous).update(JSON.stringify(facts)).digest()
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
