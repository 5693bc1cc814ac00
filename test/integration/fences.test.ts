/** Activities that come late, twice or from the wrong workflow: played against a real database, they change nothing. */
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Claim, ControlActivities } from '../../activities/contract'
import { createControlActivities } from '../../activities/index'
import { createSigner } from '../../activities/signer'
import type { ExecutionId, HostId, PrincipalId, ScopeId, StepExecutionId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { DispatchOrder } from '../../proto/index'
import { type Embedded, startEmbedded } from '../../stack/embedded/embedded'
import {
  getExecution,
  listSteps,
  lockExecution,
  overrideStepState,
  setStepState,
} from '../../store/postgres/executions'
import { claimGateway } from '../../store/postgres/gateways'
import { insertHost } from '../../store/postgres/hosts'
import { insertLaunch } from '../../store/postgres/launches'
import { endHosts } from '../../store/postgres/ledger'
import { migrate } from '../../store/postgres/migrate'
import {
  clearPause,
  reopenExecution,
  requestCancel,
  requestPause,
  skipStep,
} from '../../store/postgres/operate'
import { insertOperation } from '../../store/postgres/operations'
import { createPool, type Db, type Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { openSession } from '../../store/postgres/sessions'
import { answerStopRequest, takeStopRequests } from '../../store/postgres/stops'
import { transaction } from '../../store/postgres/transaction'

const scopeId = '1' as ScopeId
const HOUR_MS = 3_600_000
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const supersededError = expect.objectContaining({ type: 'execution_superseded', nonRetryable: true })

describe('the fences of the ledger', () => {
  const data = mkdtempSync(path.join(tmpdir(), 'drover-fences-'))
  let embedded: Embedded
  let pool: Pool
  let activities: ControlActivities
  let principalId: PrincipalId
  let hostId: HostId

  beforeAll(async () => {
    embedded = await startEmbedded({
      data,
      prefix: 'DROVER_TEST_',
      servers: ['postgres'],
      fsync: false,
      temporary: true,
    })
    pool = createPool(embedded.urls.postgres, 6)
    await migrate(pool)
    const { privateKey } = generateKeyPairSync('ed25519')
    const signer = createSigner({
      id: 'k1',
      publicPart: '',
      privatePart: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    })
    activities = createControlActivities({ pool, signer, lostAfterMs: 60_000, shardMaxHosts: 1_000 })
    principalId = await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
    hostId = (await insertHost(pool, scopeId, 'web-1'))!
    const gatewayBoot = randomUUID()
    await claimGateway(pool, { scopeId, name: 'g1', bootId: gatewayBoot, address: 'localhost:1' })
    await transaction(pool, (tx) =>
      openSession(tx, {
        scopeId,
        hostId,
        gateway: 'g1',
        gatewayBoot,
        agentVersion: '1',
        protocol: 1,
        journalId: 'j1',
        journalSequence: '1',
        bootId: randomUUID(),
        machineId: 'm1',
        clockSkewMs: 0,
        conditions: [],
      }),
    )
  }, 120_000)

  afterAll(async () => {
    await pool?.end()
    await embedded?.close()
    rmSync(data, { recursive: true, force: true })
  }, 60_000)

  /** A run of two steps on one host, claimed by its first workflow. */
  async function launched(claim = true) {
    const step = { name: 'one', language: 'sh', script: 'true' } as const
    const { executionId, workflowId } = await transaction(pool, (tx) =>
      insertLaunch(tx, {
        scopeId,
        scopeName: 'default',
        principalId,
        trigger: 'api',
        compilation: compilePlan(
          planSchema.parse({ name: 'fenced', steps: [step, { ...step, name: 'two' }] }),
          sha256,
        ),
        target: '*',
        hosts: [{ id: hostId, name: 'web-1' }] as Parameters<typeof insertLaunch>[1]['hosts'],
        expiresInMs: HOUR_MS,
      }),
    )
    const key = { scopeId, executionId }
    const ref = { ...key, workflowId, firstRunId: 'run-0' }
    // Look 0 is older than any: the claim alone.
    if (claim) expect(await activities.claimExecution({ ...ref, look: 0 })).toMatchObject({ claimed: true })
    const steps = await listSteps(pool, scopeId, executionId)
    const stepOf = (index: number) => ({ ...ref, stepExecutionId: steps[index]!.id as string })
    return { key, ref, stepOf, stepKey: (index: number) => ({ ...key, stepExecutionId: steps[index]!.id }) }
  }

  const execution = async (key: { executionId: ExecutionId }) =>
    (await getExecution(pool, scopeId, key.executionId))!
  const openShards = async (stepExecutionId: StepExecutionId | string) =>
    (
      await pool.query<{ id: string }>(
        'select id from shard where step_execution_id = $1 and closed_at is null order by id',
        [stepExecutionId],
      )
    ).rows.map((row) => row.id)
  const continueIt = (key: { scopeId: ScopeId; executionId: ExecutionId }, n: number) =>
    transaction(pool, (tx) => reopenExecution(tx, key, 'default', n))

  it('let only the workflow that the row names claim a run', async () => {
    const { ref } = await launched(false)
    const unseen = { ...ref, look: 0 }
    expect(await activities.claimExecution({ ...unseen, workflowId: 'execution/default/0' })).toMatchObject({
      claimed: false,
    })
    expect(await activities.claimExecution(unseen)).toMatchObject({ claimed: true })
    expect(await activities.claimExecution({ ...unseen, firstRunId: 'run-1' })).toMatchObject({
      claimed: false,
    })
  })

  it('keep the first workflow from a run that was taken up again, before and after the second has claimed it', async () => {
    const { key, ref, stepOf, stepKey } = await launched()
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'failed'))
    expect(await activities.endExecution(ref)).toEqual({ ended: true, state: 'failed' })
    expect(await activities.endExecution(ref)).toEqual({ ended: true, state: 'failed' })
    const workflowId = await continueIt(key, 1)
    await transaction(pool, (tx) => overrideStepState(tx, stepKey(0), 'pending'))
    const next = { ...ref, workflowId, firstRunId: 'run-1', look: 0 }
    expect(await activities.claimExecution({ ...ref, look: 9 })).toMatchObject({ claimed: false })
    for (const claimed of [false, true]) {
      if (claimed) expect(await activities.claimExecution(next)).toMatchObject({ claimed: true })
      await expect(activities.endExecution(ref)).rejects.toEqual(supersededError)
      await expect(activities.cancelFromEngine(ref)).rejects.toEqual(supersededError)
      await expect(activities.resolveShards({ ...stepOf(1), look: 9, activeShards: [] })).rejects.toEqual(
        supersededError,
      )
      await expect(
        activities.closeStep({ ...stepOf(1), look: 9, onFailure: 'stop', goOn: true }),
      ).rejects.toEqual(supersededError)
      expect(await execution(key)).toMatchObject({ state: 'running', cancelRequestedAt: null })
    }
  })

  it('end a run only when its rows leave nothing to do', async () => {
    const { key, ref, stepKey } = await launched()
    expect(await activities.endExecution(ref)).toMatchObject({ ended: false, steps: ['pending', 'pending'] })
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'failed'))
    await transaction(pool, (tx) => requestCancel(tx, key))
    expect(await activities.endExecution(ref)).toEqual({ ended: true, state: 'cancelled' })
  })

  it('let a look that comes late or again close no shard and make none', async () => {
    const { stepOf } = await launched()
    const step = stepOf(0)
    const made = await activities.resolveShards({ ...step, look: 20, activeShards: [] })
    expect(made).toMatchObject({ state: 'running', shards: [{ gateway: 'g1', hosts: 1 }] })
    const open = await openShards(step.stepExecutionId)
    const again = await activities.resolveShards({ ...step, look: 20, activeShards: [] })
    expect(again.shards).toEqual(made.shards)
    await activities.resolveShards({ ...step, look: 19, activeShards: [] })
    expect(await activities.closeStep({ ...step, look: 18, onFailure: 'stop', goOn: true })).toMatchObject({
      open: 1,
    })
    expect(await openShards(step.stepExecutionId)).toEqual(open)
    const later = await activities.resolveShards({ ...step, look: 21, activeShards: [] })
    expect(later.shards).toHaveLength(1)
    expect(await openShards(step.stepExecutionId)).toEqual(later.shards.map((shard) => shard.shardId))
    expect(later.shards).not.toEqual(made.shards)
  })

  it('take the first look with the claim, and tell again what it made', async () => {
    const { ref } = await launched(false)
    const claim = () => activities.claimExecution({ ...ref, look: 5 })
    const first = await claim()
    expect(first).toMatchObject({
      standing: { paused: false },
      steps: [{ state: 'running' }, { state: 'pending' }],
      next: { do: 'run', resolution: { state: 'running', shards: [{ gateway: 'g1', hosts: 1 }] } },
    })
    const again = await claim()
    const shards = ({ next }: Extract<Claim, { claimed: true }>) =>
      next?.do === 'run' ? next.resolution.shards : undefined
    if (!first.claimed || !again.claimed) throw new Error('not claimed')
    expect(shards(again)).toEqual(shards(first))
    // A worker that died after the commit: the workflow task that is done again takes a newer look.
    const later = await activities.claimExecution({ ...ref, look: 6 })
    if (!later.claimed) throw new Error('not claimed')
    expect(shards(later)).toMatchObject([{ gateway: 'g1', hosts: 1 }])
    expect(shards(later)).not.toEqual(shards(first))
    const [step] = later.steps
    expect(await openShards(step!.stepExecutionId)).toEqual(shards(later)?.map((shard) => shard.shardId))
  })

  it('go on with the verdict of a step: to the next one, then to the end, the same again when repeated', async () => {
    const { key, ref, stepOf } = await launched()
    const end = (index: number) =>
      transaction(pool, (tx) =>
        endHosts(tx, { ...key, stepExecutionId: stepOf(index).stepExecutionId as StepExecutionId }, [
          { hostId, attempt: 1, state: 'succeeded', started: 'yes', reason: 'told' },
        ]),
      )
    const close = (index: number, look: number, goOn = true) =>
      activities.closeStep({ ...stepOf(index), look, onFailure: 'stop', goOn })
    await activities.resolveShards({ ...stepOf(0), look: 1, activeShards: [] })
    expect((await close(0, 2)).next).toBeUndefined()
    await end(0)
    const second = await close(0, 3)
    expect(second).toMatchObject({
      state: 'succeeded',
      next: { do: 'run', stepExecutionId: stepOf(1).stepExecutionId, resolution: { shards: [{ hosts: 1 }] } },
    })
    const { shards } = second.next?.do === 'run' ? second.next.resolution : { shards: [] }
    expect(await close(0, 3)).toMatchObject({ next: { do: 'run', resolution: { shards } } })
    expect(await openShards(stepOf(1).stepExecutionId)).toEqual(shards.map((shard) => shard.shardId))
    const later = await close(0, 4)
    const [made] = later.next?.do === 'run' ? later.next.resolution.shards : []
    expect(await openShards(stepOf(1).stepExecutionId)).toEqual([made?.shardId])
    // One that comes late from a worker that was thought dead makes and closes nothing.
    await close(0, 2)
    expect(await openShards(stepOf(1).stepExecutionId)).toEqual([made?.shardId])
    await end(1)
    expect((await close(1, 4, false)).next).toBeUndefined()
    expect(await execution(key)).toMatchObject({ state: 'running' })
    for (let n = 0; n < 2; n++) expect((await close(1, 5)).next).toEqual({ do: 'end', state: 'succeeded' })
    expect(await execution(key)).toMatchObject({ state: 'succeeded' })
    expect(await close(1, 6, false)).toMatchObject({ state: 'succeeded', open: 0 })
    expect(await activities.endExecution(ref)).toEqual({ ended: true, state: 'succeeded' })
  })

  it('begin no step of a run that is held, and end one that is cancelled', async () => {
    const { key, stepOf, stepKey } = await launched()
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'succeeded'))
    await transaction(pool, (tx) => requestPause(tx, key, false))
    const close = (look: number) =>
      activities.closeStep({ ...stepOf(0), look, onFailure: 'stop', goOn: true })
    expect((await close(2)).next).toMatchObject({
      do: 'run',
      resolution: { shards: [], state: 'pending', standing: { paused: true } },
    })
    await transaction(pool, (tx) => requestCancel(tx, key))
    expect((await close(3)).next).toEqual({ do: 'end', state: 'cancelled' })
  })

  it('leave a step that was skipped before its first look as it is', async () => {
    const { key, stepOf } = await launched()
    const [, second] = await listSteps(pool, scopeId, key.executionId)
    await transaction(pool, (tx) => skipStep(tx, key, second!))
    const found = await activities.resolveShards({ ...stepOf(1), look: 1, activeShards: [] })
    expect(found).toMatchObject({ state: 'skipped', shards: [], missing: 0, held: 0 })
    expect(
      await activities.closeStep({ ...stepOf(1), look: 2, onFailure: 'stop', goOn: false }),
    ).toMatchObject({
      state: 'skipped',
      open: 0,
    })
    await transaction(pool, (tx) => setStepState(tx, { ...key, stepExecutionId: second!.id }, 'running'))
    expect((await listSteps(pool, scopeId, key.executionId))[1]).toMatchObject({ state: 'skipped' })
  })

  it('tell the workflow of a cancel that only the row knows', async () => {
    const { key, stepOf } = await launched()
    await transaction(pool, (tx) => requestPause(tx, key, false))
    const held = await activities.resolveShards({ ...stepOf(0), look: 1, activeShards: [] })
    expect(held.standing).toMatchObject({ paused: true, cancelRequested: false })
    await transaction(pool, (tx) => requestCancel(tx, key))
    const told = await activities.resolveShards({ ...stepOf(0), look: 2, activeShards: [] })
    expect(told.standing).toMatchObject({ cancelRequested: true })
    expect(told.standing.seq).toBeGreaterThan(held.standing.seq)
  })

  it('time a stop after every order before it, whatever the clocks of the workers say', async () => {
    const { key, stepOf } = await launched()
    const ahead = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + HOUR_MS / 2)
    await activities.resolveShards({ ...stepOf(0), look: 1, activeShards: [] })
    ahead.mockRestore()
    await transaction(pool, (tx) => requestCancel(tx, key))
    const stops = await transaction(pool, (tx) => takeStopRequests(tx, 50))
    const stop = stops.find((request) => request.executionId === key.executionId)
    const { rows } = await pool.query<{ orders: Buffer[] }>(
      'select orders from shard where execution_id = $1',
      [key.executionId],
    )
    const order = DispatchOrder.decode(rows[0]!.orders[0]!)
    expect(BigInt(stop!.issuedAt.getTime())).toBeGreaterThanOrEqual(order.issuedAtMs)
  })

  it('leave a stop to a later look while its run is being changed', async () => {
    const { key } = await launched()
    await transaction(pool, (tx) => requestCancel(tx, key))
    const taken = async () =>
      (await transaction(pool, (tx) => takeStopRequests(tx, 50))).map((request) => request.executionId)
    await transaction(pool, async (tx) => {
      await lockExecution(tx, scopeId, key.executionId)
      expect(await taken()).not.toContain(key.executionId)
    })
    expect(await taken()).toContain(key.executionId)
  })

  it('drop the order of a stop that is over', async () => {
    const { key } = await launched()
    const stopOrder = async () =>
      (
        await pool.query(
          'select stop_requested_at, stop_order, stop_signature, stop_key_id from execution where id = $1',
          [key.executionId],
        )
      ).rows[0]
    const none = { stop_requested_at: null, stop_order: null, stop_signature: null, stop_key_id: null }
    const ways = [
      (tx: Db) => clearPause(tx, key),
      (tx: Db) => requestPause(tx, key, false),
      (tx: Db) => reopenExecution(tx, key, 'default', 1),
    ]
    for (const way of ways) {
      await transaction(pool, async (tx) => {
        await requestPause(tx, key, true)
        const [request] = (await takeStopRequests(tx, 50)).filter((r) => r.executionId === key.executionId)
        const signed = { order: Buffer.from('o'), signature: Buffer.from('s'), keyId: 'k' }
        await answerStopRequest(tx, request!, signed)
      })
      expect(await stopOrder()).toMatchObject({ stop_key_id: 'k' })
      await transaction(pool, async (tx) => void (await way(tx)))
      expect(await stopOrder()).toEqual(none)
    }
  })

  it('give each continuation the time of the launch, and no more', async () => {
    const { key } = await launched()
    for (const n of [1, 2, 3]) await continueIt(key, n)
    const { expiresAt } = await execution(key)
    expect(expiresAt.getTime() - Date.now()).toBeLessThanOrEqual(HOUR_MS + 5_000)
  })

  it('let two operations at once wait for each other only in one direction', async () => {
    const { key } = await launched()
    const operation = () => ({ ...key, id: randomUUID(), kind: 'pause' as const, args: {}, principalId })
    const [first, second] = [await pool.connect(), await pool.connect()]
    try {
      for (const tx of [first, second]) {
        await tx.query('begin')
        await insertOperation(tx, operation())
      }
      const locks = [first, second].map(async (tx) => {
        await lockExecution(tx, scopeId, key.executionId)
        await tx.query('commit')
      })
      await expect(Promise.all(locks)).resolves.toHaveLength(2)
    } finally {
      first.release()
      second.release()
    }
  })

  it('are planned once a connection', async () => {
    const db = await pool.connect()
    try {
      const read = () => db.query('select 1 as planned_once where $1::int > 0', [1])
      await read()
      await read()
      const prepared = await db.query(
        'select generic_plans + custom_plans as n from pg_prepared_statements where statement like $1',
        ['%as planned_once%'],
      )
      expect(prepared.rows).toEqual([{ n: '2' }])
    } finally {
      db.release()
    }
  })

  it('meet a connection whose plans are too old only once', async () => {
    await pool.query('create table grows (id int)')
    const read = () => transaction(pool, (tx) => tx.query('select * from grows where $1', [true]))
    const connections = Array.from({ length: 6 }, read)
    await Promise.all(connections)
    await pool.query('alter table grows add column name text')
    let failures = 0
    for (let inRow = 0; inRow < 12; inRow++)
      await read().catch((error: { code?: string }) => {
        expect(error.code).toBe('0A000')
        inRow = 0
        failures++
      })
    expect(failures).toBeGreaterThan(0)
    expect(failures).toBeLessThanOrEqual(6)
  })
})
