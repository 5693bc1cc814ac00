/** A database that is found to have been put back in the moment in which something is launched or taken up: nothing slips past. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionId, HostId, PrincipalId, ScopeId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import {
  type Execution,
  getExecution,
  listSteps,
  lockExecution,
  setExecutionState,
  setStepState,
} from '../../store/postgres/executions'
import { insertHost } from '../../store/postgres/hosts'
import { insertLaunch } from '../../store/postgres/launches'
import { reopenExecution } from '../../store/postgres/operate'
import { createPool, type Db, type Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { recoverLedger, releaseLaunches } from '../../store/postgres/recoveries'
import { transaction } from '../../store/postgres/transaction'
import { untilLockWait } from '../helpers/lock-waits'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const HELD = { state: 'paused', reason: 'recovered', pause: 'soft' }

describe('a recovery', () => {
  let ledger: TestLedger
  let pool: Pool
  let principalId: PrincipalId
  let hostId: HostId

  beforeAll(async () => {
    ledger = await startLedger(6)
    pool = ledger.pool
    principalId = await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
    hostId = (await insertHost(pool, scopeId, 'web-1'))!
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  // What one recovery holds is let go, so that each test has one of its own.
  afterEach(() => releaseLaunches(pool, scopeId, principalId))

  const launch = (tx: Db): Promise<Execution> =>
    insertLaunch(tx, {
      scopeId,
      scopeName: 'default',
      principalId,
      trigger: 'api',
      compilation: compilePlan(planSchema.parse({ name: 'race', steps: [{ name: 'one', script: 'true' }] }), {
        sha256,
      }),
      target: '*',
      targets: { hosts: [{ id: hostId, name: 'web-1' }], steps: [[0]], lists: {} },
      expiresInMs: 3_600_000,
    })
  const recover = (tx: Db) => recoverLedger(tx, { cause: 'operator', detail: {} })
  const shown = (id: ExecutionId) => getExecution(pool, scopeId, id)

  it('holds a launch that is being written when it is found', async () => {
    const { id, recovering } = await transaction(pool, async (tx) => {
      const made = await launch(tx)
      expect(made.state).toBe('pending')
      const going = transaction(pool, recover)
      await untilLockWait(pool, 'lock table execution%')
      return { id: made.id, recovering: going }
    })
    expect(await recovering).toBeDefined()
    expect(await shown(id)).toMatchObject(HELD)
  })

  it('holds a launch that comes while it is being written, under an id of after it', async () => {
    const { before, launching } = await transaction(pool, async (tx) => {
      await recover(tx)
      const last = await pool.query<{ id: string }>(
        `select pg_sequence_last_value(pg_get_serial_sequence('execution', 'id')::regclass) as id`,
      )
      const going = transaction(pool, launch)
      await untilLockWait(pool, '%insert into execution %')
      return { before: BigInt(last.rows[0]!.id), launching: going }
    })
    const made = await launching
    expect(made).toMatchObject(HELD)
    expect(await shown(made.id)).toMatchObject(HELD)
    expect(BigInt(made.id)).toBeGreaterThan(before)
  })

  it('holds a run that is being taken up again when it is found', async () => {
    const { id } = await transaction(pool, launch)
    const key = { scopeId, executionId: id }
    await setExecutionState(pool, key, 'failed')
    const { recovering } = await transaction(pool, async (tx) => {
      await lockExecution(tx, scopeId, id)
      await reopenExecution(tx, key, 'default', 1)
      const going = transaction(pool, recover)
      await untilLockWait(pool, 'lock table execution%')
      return { recovering: going }
    })
    expect(await recovering).toBeDefined()
    expect(await shown(id)).toMatchObject(HELD)
  })

  it('refuses no launch and no news of runs while it comes, again and again', async () => {
    const wide = createPool(ledger.url, 8)
    const faults: unknown[] = []
    const noted = <T>(work: Promise<T>) => work.catch((error: unknown) => void faults.push(error))
    let isOver = false
    let moved = 0
    const launchAndEnd = async () => {
      while (!isOver) {
        const made = await noted(transaction(wide, launch))
        if (!made) continue
        const key = { scopeId, executionId: made.id }
        const ended = transaction(wide, async (tx) => {
          await lockExecution(tx, scopeId, made.id)
          const [step] = await listSteps(tx, scopeId, made.id)
          await setStepState(tx, { ...key, stepExecutionId: step!.id }, 'succeeded')
          return setExecutionState(tx, key, 'succeeded')
        })
        if (await noted(ended)) moved++
      }
    }
    const load = Array.from({ length: 6 }, launchAndEnd)
    for (let n = 0; n < 5; n++) {
      await sleep(100)
      await noted(transaction(wide, recover))
      await releaseLaunches(wide, scopeId, principalId)
    }
    isOver = true
    await Promise.all(load)
    await wide.end()
    expect(faults).toEqual([])
    expect(moved).toBeGreaterThan(0)
  })
})
