/** Operations: each has a row with its id before anything is done, so that a double click is one action. */
import type { ExecutionId, PrincipalId, ScopeId } from '../../domain/id.js'
import { argsForLog, type OperationArgs, type OperationKind } from '../../domain/operation.js'
import { appendEvents } from './events.js'
import { type Db, one } from './pool.js'

export interface Operation {
  id: string
  executionId: ExecutionId
  kind: OperationKind
  args: OperationArgs
  principal: string
  state: 'requested' | 'accepted' | 'refused'
  reason: string | null
  createdAt: Date
  decidedAt: Date | null
}

const columns = `o.id, o.execution_id as "executionId", o.kind, o.args, p.name as principal, o.state, o.reason, o.created_at as "createdAt", o.decided_at as "decidedAt"`

/** Writes the operation; the row that is there already if its id was used before. */
export async function insertOperation(
  db: Db,
  operation: {
    scopeId: ScopeId
    id: string
    executionId: ExecutionId
    kind: OperationKind
    args: OperationArgs
    principalId: PrincipalId
  },
): Promise<Operation> {
  await db.query(
    `insert into operation (scope_id, id, execution_id, kind, args, principal_id) values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    [
      operation.scopeId,
      operation.id,
      operation.executionId,
      operation.kind,
      JSON.stringify(operation.args),
      operation.principalId,
    ],
  )
  return one({
    rows: [await getOperation(db, operation.scopeId, operation.id)].filter((row) => row !== undefined),
  })
}

export async function getOperation(db: Db, scopeId: ScopeId, id: string): Promise<Operation | undefined> {
  const result = await db.query<Operation>(
    `select ${columns} from operation o join principal p on p.id = o.principal_id where o.scope_id = $1 and o.id = $2`,
    [scopeId, id],
  )
  return result.rows[0]
}

export async function listOperations(
  db: Db,
  scopeId: ScopeId,
  executionId: ExecutionId,
): Promise<Operation[]> {
  const result = await db.query<Operation>(
    `select ${columns} from operation o join principal p on p.id = o.principal_id
     where o.scope_id = $1 and o.execution_id = $2 order by o.created_at limit 1000`,
    [scopeId, executionId],
  )
  return result.rows
}

/** Nobody needs to be told of it any more: its workflow knows, or there is none. */
export async function markTold(db: Db, scopeId: ScopeId, id: string): Promise<void> {
  await db.query('update operation set told_at = now() where scope_id = $1 and id = $2 and told_at is null', [
    scopeId,
    id,
  ])
}

/** Writes the answer, once: the first one stands. @returns whether this call decided it */
export async function decideOperation(
  tx: Db,
  scopeId: ScopeId,
  id: string,
  decision: { state: 'accepted' | 'refused'; reason?: string },
): Promise<boolean> {
  const result = await tx.query<{
    execution_id: ExecutionId
    kind: OperationKind
    args: OperationArgs
    principal: string
  }>(
    `update operation o set state = $3, reason = $4, decided_at = now() from principal p
     where o.scope_id = $1 and o.id = $2 and o.state = 'requested' and p.id = o.principal_id
     returning o.execution_id, o.kind, o.args, p.name as principal`,
    [scopeId, id, decision.state, decision.reason ?? null],
  )
  const [row] = result.rows
  if (!row) return false
  const body = { id, kind: row.kind, args: argsForLog(row.args), by: row.principal, ...decision }
  await appendEvents(tx, scopeId, row.execution_id, [{ type: 'operation', body }])
  return true
}
