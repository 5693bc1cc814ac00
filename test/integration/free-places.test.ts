/** Places of a step's concurrency that some of its shards leave free go to others of them, and never more than there are. */
import { createHash } from 'node:crypto'
import { freezeTargets, type TargetHost } from '../../domain/frozen-targets'
import type { ScopeId, ShardId, StepExecutionId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { insertLaunch } from '../../store/postgres/launches'
import type { Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import {
  closeShards,
  countTakenPlaces,
  insertShard,
  setPlaces,
  takePlaces,
} from '../../store/postgres/shards'
import { transaction } from '../../store/postgres/transaction'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('places that shards leave free', () => {
  let ledger: TestLedger
  let pool: Pool
  let hosts: TargetHost[]

  beforeAll(async () => {
    ledger = await startLedger(8)
    pool = ledger.pool
    await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
    await pool.query(
      `insert into host (scope_id, name) select 1, 'web-' || n from generate_series(1, 12) as n`,
    )
    hosts = (await pool.query<TargetHost>('select id, name from host order by id')).rows
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  /** A step on all hosts, and shards of it. */
  async function begun() {
    const principal = await pool.query('select id from principal')
    const compilation = compilePlan(planSchema.parse({ name: 'p', steps: [{ name: 's', script: 'true' }] }), {
      sha256,
    })
    const { id: executionId } = await transaction(pool, (tx) =>
      insertLaunch(tx, {
        scopeId,
        scopeName: 'default',
        principalId: principal.rows[0].id,
        trigger: 'api',
        compilation,
        target: '*',
        targets: freezeTargets([], [hosts]),
        expiresInMs: 3_600_000,
      }),
    )
    const step = await pool.query('select id from step_execution where execution_id = $1', [executionId])
    const key = { scopeId, executionId, stepExecutionId: step.rows[0].id as StepExecutionId }
    const limit = (places: number, away = 0) => setPlaces(pool, key, { places, away })
    const shard = (gateway: string, places: readonly number[], hostLimit: number) => {
      const hostIds = places.flatMap((place) => hosts[place]?.id ?? [])
      const each = hostIds.map(() => Buffer.from('order'))
      return insertShard(pool, {
        ...key,
        gateway,
        hostLimit,
        hostIds,
        journalIds: hostIds.map(() => 'j'),
        orders: each,
        signatures: each,
        keyId: 'k',
        spec: Buffer.from('spec'),
      })
    }
    const end = (...places: number[]) =>
      pool.query(
        `update host_result set state = 'succeeded' where step_execution_id = $1 and position = any($2)`,
        [key.stepExecutionId, places],
      )
    const ask = (shardId: ShardId, wanted: number, gateway = 'a') =>
      takePlaces(pool, { shardId, gateway, wanted })
    return { key, limit, shard, end, ask, taken: () => countTakenPlaces(pool, key) }
  }

  it('go to a shard that asks, as many as are free and as it wants', async () => {
    const { limit, shard, end, ask, taken } = await begun()
    await limit(5)
    const waiting = await shard('a', [0, 1, 2, 3, 4, 5], 2)
    await shard('b', [6, 7, 8], 3)
    expect(await ask(waiting, 4)).toBe(2)
    await end(6)
    expect(await taken()).toBe(4)
    expect(await ask(waiting, 4)).toBe(3)
    expect(await ask(waiting, 4)).toBe(3)
    await end(7, 8)
    expect(await ask(waiting, 1)).toBe(4)
    expect(await taken()).toBe(4)
    expect(await ask(waiting, 4)).toBe(5)
    expect(await taken()).toBe(5)
  })

  it('go to one of those that ask at once', async () => {
    const { limit, shard, end, ask, taken } = await begun()
    await limit(6)
    const shards = await Promise.all([0, 2, 4, 6].map((first) => shard('a', [first, first + 1], 1)))
    await shard('b', [8, 9], 2)
    await end(8)
    const limits = await Promise.all(shards.map((id) => ask(id, 1)))
    expect(limits.filter((limit) => limit === 2)).toHaveLength(1)
    expect(limits.filter((limit) => limit === 1)).toHaveLength(3)
    expect(await taken()).toBe(6)
  })

  it('are not given beyond the limit of the step, however often a gateway asks', async () => {
    const { limit, shard, end, ask } = await begun()
    await limit(4)
    const only = await shard('a', [0, 1, 2, 3], 2)
    await end(0, 1, 2)
    for (const wanted of [1, 1_000_000, 2_147_483_647]) expect(await ask(only, wanted)).toBeLessThanOrEqual(4)
  })

  it('are kept for hosts that are under way and away', async () => {
    const { limit, shard, end, ask } = await begun()
    await limit(4, 1)
    const waiting = await shard('a', [0, 1, 2, 3], 1)
    await shard('b', [4, 5], 2)
    await end(4, 5)
    expect(await ask(waiting, 3)).toBe(3)
    await limit(4, 0)
    expect(await ask(waiting, 1)).toBe(4)
  })

  it('are not given to another gateway, to a shard that is closed, or in a step that an earlier worker began', async () => {
    const { key, limit, shard, end, ask } = await begun()
    const mine = await shard('a', [0, 1, 2], 1)
    await shard('b', [4], 1)
    await end(4)
    expect(await ask(mine, 1)).toBe(1)
    await limit(2)
    expect(await ask(mine, 1, 'b')).toBeUndefined()
    expect(await ask(mine, 1)).toBe(2)
    await closeShards(pool, key)
    expect(await ask(mine, 1)).toBeUndefined()
  })

  it('are not given while the run is held, cancelled, or goes past the step', async () => {
    const { key, limit, shard, end, ask } = await begun()
    await limit(3)
    const waiting = await shard('a', [0, 1, 2], 1)
    await shard('b', [3, 4], 2)
    await end(3, 4)
    const set = (text: string) => pool.query(`update execution set ${text} where id = $1`, [key.executionId])
    await set(`pause = 'soft'`)
    expect(await ask(waiting, 1)).toBe(1)
    await set(`pause = null, ending_step = ${key.stepExecutionId}`)
    expect(await ask(waiting, 1)).toBe(1)
    await set('ending_step = null, cancel_requested_at = now()')
    expect(await ask(waiting, 1)).toBe(1)
    await set('cancel_requested_at = null')
    expect(await ask(waiting, 1)).toBe(2)
  })

  it('are none while the workflow makes shards: whoever asks waits for it', async () => {
    const { key, limit, shard, end, ask, taken } = await begun()
    await limit(2)
    const waiting = await shard('a', [0, 1, 2], 1)
    await shard('b', [3], 1)
    await end(3)
    let asked: Promise<number | undefined> | undefined
    await transaction(pool, async (tx) => {
      await tx.query('select from execution where id = $1 for update', [key.executionId])
      asked = ask(waiting, 2)
      await shard('b', [4], 1)
    })
    expect(await asked).toBe(1)
    expect(await taken()).toBe(2)
  })
})
