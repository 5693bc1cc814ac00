/** What operators are alerted by, counted in a real database that every kind of trouble was put into. */
import { randomUUID } from 'node:crypto'
import { countFleet } from '../../store/postgres/fleet-counts'
import type { Pool } from '../../store/postgres/pool'
import { startLedger, type TestLedger } from '../helpers/ledger'

describe('the counts of the fleet', () => {
  let ledger: TestLedger
  let pool: Pool

  beforeAll(async () => {
    ledger = await startLedger(4)
    pool = ledger.pool
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  const zero = {
    hosts: { connected: 0, away: 0, quarantined: 0 },
    conditions: {},
    executions: {},
    unclaimedSeconds: 0,
    asking: 0,
    unsignedStopSeconds: 0,
    unansweredCertificateSeconds: 0,
    certificatesEnding: 0,
  }

  it('are all zero where there is nothing', async () => {
    expect(await countFleet(pool)).toEqual(zero)
  })

  it('tell hosts by what can be done with them, and their conditions', async () => {
    const boot = randomUUID()
    await pool.query(
      `insert into gateway (scope_id, name, boot_id, address) values (1, 'alive', $1, 'a:1'), (1, 'dead', $1, 'a:2')`,
      [boot],
    )
    await pool.query(`update gateway set last_seen_at = now() - interval '1 hour' where name = 'dead'`)
    await pool.query(
      `insert into host (scope_id, name, state, conditions) values
         (1, 'h1', 'active', '{clock_skew}'), (1, 'h2', 'active', '{clock_skew,disk_low}'), (1, 'h3', 'active', '{}'),
         (1, 'h4', 'quarantined', '{}'), (1, 'h5', 'revoked', '{disk_low}')`,
    )
    await pool.query(
      `insert into agent_session (scope_id, host_id, gateway, gateway_boot, epoch)
       select 1, id, case name when 'h2' then 'dead' else 'alive' end, $1, id from host where name in ('h1', 'h2')`,
      [boot],
    )
    await pool.query(
      `insert into certificate (scope_id, serial, host_id, not_after, fingerprint)
       select 1, name, id, now() + interval '1 hour', decode(md5(name), 'hex') from host where name in ('h1', 'h2')`,
    )
    expect(await countFleet(pool)).toEqual({
      ...zero,
      hosts: { connected: 1, away: 2, quarantined: 1 },
      conditions: { clock_skew: 2, disk_low: 1 },
      certificatesEnding: 1,
    })
  })

  it('tell what waits, and since when', async () => {
    await pool.query(`insert into plan_ir (scope_id, hash, ir_version, body) values (1, '\\x01', 1, '{}')`)
    await pool.query(`insert into principal (scope_id, kind, name) values (1, 'person', 'alice')`)
    await pool.query(
      `insert into execution (scope_id, name, state, plan_hash, workflow_id, run_id, trigger, launched_by, target, hosts,
         expires_at, expires_in_ms, output_day, created_at, stop_requested_at)
       select 1, n.id, n.state, '\\x01', n.id, n.run, 'api', (select id from principal), '*', 1, now(), 1, '20261121',
         now() - interval '100 seconds', n.stop
       from (values ('a', 'pending', null, null::timestamptz), ('b', 'running', 'r', now() - interval '50 seconds'),
         ('c', 'failed', null, null)) as n (id, state, run, stop)`,
    )
    await pool.query(
      `insert into host_result (scope_id, execution_id, step_execution_id, host_id, host_name, position, state)
       select 1, e.id, 1, h.id, h.name, 0, 'running' from execution e, host h
       where e.name in ('b', 'c') and h.name in ('h1', 'h2')`,
    )
    await pool.query(
      `insert into certificate_request (scope_id, id, kind, csr, proof, requested_at) values (1, $1, 'join', '', '', now() - interval '20 seconds')`,
      [randomUUID()],
    )
    const counts = await countFleet(pool)
    expect(counts.executions).toEqual({ pending: 1, running: 1 })
    // h2's gateway is dead, h1 is heard from; the run that has ended asks nobody.
    expect(counts.asking).toBe(1)
    expect(Math.floor(counts.unclaimedSeconds / 10)).toBe(10)
    expect(Math.floor(counts.unsignedStopSeconds / 10)).toBe(5)
    expect(Math.floor(counts.unansweredCertificateSeconds / 10)).toBe(2)
  })
})
