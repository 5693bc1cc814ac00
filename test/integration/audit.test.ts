/** The audit log's chain: its rows stand in one line whoever writes at once, and a row that was changed, or is gone, is found. */
import { randomUUID } from 'node:crypto'
import type { PrincipalId, ScopeId } from '../../domain/id'
import { appendAudit, findAuditBreak } from '../../store/postgres/audit'
import type { Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId

describe('the chain of the audit log', () => {
  let ledger: TestLedger
  let pool: Pool
  let principalId: PrincipalId

  beforeAll(async () => {
    ledger = await startLedger(8)
    pool = ledger.pool
    principalId = await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  beforeEach(() => pool.query('truncate audit'))

  const append = (detail: Record<string, unknown>, by: PrincipalId | undefined = principalId) =>
    appendAudit(pool, {
      scopeId,
      principalId: by,
      action: 'launch-execution',
      resource: 'execution 100%s',
      requestId: randomUUID(),
      detail,
    })

  it('holds for forty rows that eight connections write at once', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, n) => append({ n })))
    const { rows } = await pool.query<{ seq: string }>('select seq from audit order by seq')
    expect(rows.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    const { rows: late } = await pool.query(
      'select from audit a join audit b on b.scope_id = a.scope_id and b.seq = a.seq + 1 where b.at < a.at',
    )
    expect(late).toEqual([])
    expect(await findAuditBreak(pool, scopeId)).toBeUndefined()
  })

  it('holds for what jsonb gives back otherwise: order of keys, numbers, signs beyond ASCII, nothing at all', async () => {
    await append({ z: 1, a: { y: 1e21, b: [1.5, -0.0000001] }, ü: '\u{1f404} "%s" \\ \n \u2028' })
    await append({}, undefined)
    expect(await findAuditBreak(pool, scopeId)).toBeUndefined()
  })

  it('of each scope is its own', async () => {
    const { rows } = await pool.query<{ id: ScopeId }>(
      `insert into scope (name) values ('other') returning id`,
    )
    const other = rows[0]?.id as ScopeId
    await append({ n: 1 })
    await appendAudit(pool, {
      scopeId: other,
      principalId: undefined,
      action: 'x',
      resource: '',
      requestId: randomUUID(),
      detail: {},
    })
    const { rows: first } = await pool.query<{ seq: string }>('select seq from audit')
    expect(first.map(({ seq }) => seq)).toEqual(['1', '1'])
    expect(await findAuditBreak(pool, other)).toBeUndefined()
  })

  it.each([
    ['a detail', `update audit set detail = '{"n": 9}' where seq = 2`, '2'],
    ['who it was', 'update audit set principal_id = null where seq = 2', '2'],
    ['when it was', `update audit set at = at + interval '1 ms' where seq = 2`, '2'],
    ['a row that is gone', 'delete from audit where seq = 2', '3'],
  ])('breaks with %s', async (_what, statement, at) => {
    for (const n of [1, 2, 3]) await append({ n })
    expect(await findAuditBreak(pool, scopeId)).toBeUndefined()
    await pool.query(statement)
    expect(await findAuditBreak(pool, scopeId)).toBe(at)
  })
})
