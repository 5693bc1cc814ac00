/** Activities that come late, twice or from the wrong workflow: played against a real database, they change nothing. */
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { nothingKnown } from '../../activities/claim-execution'
import type { Asking, Claim, ControlActivities } from '../../activities/contract'
import { createControlActivities } from '../../activities/index'
import { SecretVault } from '../../activities/secret-vault'
import { createSigner } from '../../activities/signer'
import type { ExecutionId, HostId, PrincipalId, ScopeId, StepExecutionId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { DispatchOrder } from '../../proto/index'
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
import {
  clearPause,
  reopenExecution,
  requestCancel,
  requestPause,
  skipStep,
} from '../../store/postgres/operate'
import { getOperation, insertOperation } from '../../store/postgres/operations'
import type { Db, Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { openSession } from '../../store/postgres/sessions'
import { answerStopRequest, takeStopRequests } from '../../store/postgres/stops'
import { transaction } from '../../store/postgres/transaction'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId
const HOUR_MS = 3_600_000
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const supersededError = expect.objectContaining({ type: 'execution_superseded', nonRetryable: true })

describe('the fences of the ledger', () => {
  let ledger: TestLedger
  let pool: Pool
  let activities: ControlActivities
  let principalId: PrincipalId
  let hostId: HostId

  beforeAll(async () => {
    ledger = await startLedger(6)
    pool = ledger.pool
    const { privateKey } = generateKeyPairSync('ed25519')
    const signer = createSigner({
      id: 'k1',
      publicPart: '',
      privatePart: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    })
    const vault = new SecretVault([])
    activities = createControlActivities({ pool, signer, vault, lostAfterMs: 60_000, shardMaxHosts: 1_000 })
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

  afterAll(() => ledger?.close(), 60_000)

  /** A run of two steps on one host, claimed by its first workflow. */
  async function launched(claim = true) {
    const step = { name: 'one', language: 'sh', script: 'true' } as const
    const { id: executionId, workflowId } = await transaction(pool, (tx) =>
      insertLaunch(tx, {
        scopeId,
        scopeName: 'default',
        principalId,
        trigger: 'api',
        compilation: compilePlan(
          planSchema.parse({ name: 'fenced', steps: [step, { ...step, name: 'two' }] }),
          { sha256 },
        ),
        target: '*',
        targets: { hosts: [{ id: hostId, name: 'web-1' }], steps: [[0], [0]], lists: {} },
        expiresInMs: HOUR_MS,
      }),
    )
    const key = { scopeId, executionId }
    const ref = { ...key, workflowId, firstRunId: 'run-0' }
    // Look 0 is older than any: the claim alone.
    if (claim) expect(await activities.claimExecution({ ...ref, look: 0 })).toMatchObject({ claimed: true })
    const steps = await listSteps(pool, scopeId, executionId)
    const ask = (look: number, more: Partial<Asking> = {}) =>
      activities.advance({ ...ref, ...nothingKnown, operations: [], look, ...more })
    return { key, ref, ask, stepKey: (index: number) => ({ ...key, stepExecutionId: steps[index]!.id }) }
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
    const { key, ref, ask, stepKey } = await launched()
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'failed'))
    expect(await ask(1)).toMatchObject({ ended: 'failed' })
    expect(await ask(1)).toMatchObject({ ended: 'failed' })
    const workflowId = await continueIt(key, 1)
    await transaction(pool, (tx) => overrideStepState(tx, stepKey(0), 'pending'))
    const next = { ...ref, workflowId, firstRunId: 'run-1', look: 0 }
    expect(await activities.claimExecution({ ...ref, look: 9 })).toMatchObject({ claimed: false })
    for (const claimed of [false, true]) {
      if (claimed) expect(await activities.claimExecution(next)).toMatchObject({ claimed: true })
      await expect(ask(9)).rejects.toEqual(supersededError)
      await expect(ask(9, { engineCancelled: true })).rejects.toEqual(supersededError)
      expect(await execution(key)).toMatchObject({ state: 'running', cancelRequestedAt: null })
    }
  })

  it('end a cancelled run as its rows leave it', async () => {
    const { key, ask, stepKey } = await launched()
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'failed'))
    await transaction(pool, (tx) => requestCancel(tx, key))
    expect(await ask(1)).toMatchObject({ ended: 'cancelled', standing: { cancelRequested: true } })
  })

  it('let a look that comes late or again close no shard and make none', async () => {
    const { ask, stepKey } = await launched()
    const { stepExecutionId } = stepKey(0)
    const made = await ask(20)
    expect(made).toMatchObject({
      states: ['running', 'pending'],
      step: { shards: [{ gateway: 'g1', hosts: 1 }] },
    })
    const open = await openShards(stepExecutionId)
    expect((await ask(20)).step?.shards).toEqual(made.step?.shards)
    await ask(19)
    expect(await openShards(stepExecutionId)).toEqual(open)
    const later = (await ask(21)).step?.shards ?? []
    expect(later).toHaveLength(1)
    expect(await openShards(stepExecutionId)).toEqual(later.map((shard) => shard.shardId))
    expect(later).not.toEqual(made.step?.shards)
  })

  it('leave a shard that is under way alone, and tell back what was known', async () => {
    const { ask, stepKey } = await launched()
    const [shard] = (await ask(20)).step?.shards ?? []
    const shards = [shard!.shardId]
    const known = { shards, waits: 3, wakes: 2, engineCancelled: false, leave: false }
    expect(await ask(21, known)).toMatchObject({ known, step: { shards: [] } })
    expect(await openShards(stepKey(0).stepExecutionId)).toEqual(shards)
  })

  it('take the first look with the claim, and tell again what it made', async () => {
    const { ref } = await launched(false)
    const claim = (look = 5) => activities.claimExecution({ ...ref, look })
    const shards = (told: Claim) => (told.claimed ? told.advance.step?.shards : undefined)
    const first = await claim()
    expect(first).toMatchObject({
      steps: [{ state: 'running' }, { state: 'pending' }],
      advance: { standing: { paused: false }, step: { position: 0, shards: [{ gateway: 'g1', hosts: 1 }] } },
    })
    expect(shards(await claim())).toEqual(shards(first))
    // A worker that died after the commit: the workflow task that is done again takes a newer look.
    const later = await claim(6)
    expect(shards(later)).toMatchObject([{ gateway: 'g1', hosts: 1 }])
    expect(shards(later)).not.toEqual(shards(first))
    const [step] = later.claimed ? later.steps : []
    expect(await openShards(step!.stepExecutionId)).toEqual(shards(later)?.map((shard) => shard.shardId))
  })

  it('go on with the verdict of a step: to the next one, then to the end, the same again when repeated', async () => {
    const { key, ask, stepKey } = await launched()
    const end = (index: number) =>
      transaction(pool, (tx) =>
        endHosts(tx, stepKey(index), [
          { hostId, attempt: 1, state: 'succeeded', started: 'yes', reason: 'told' },
        ]),
      )
    await ask(1)
    await end(0)
    const second = await ask(3)
    expect(second).toMatchObject({
      states: ['succeeded', 'running'],
      counts: { 0: { succeeded: 1 }, 1: { pending: 1 } },
      step: { position: 1, shards: [{ hosts: 1 }] },
    })
    expect((await ask(3)).step?.shards).toEqual(second.step?.shards)
    const [made] = (await ask(4)).step?.shards ?? []
    expect(await openShards(stepKey(1).stepExecutionId)).toEqual([made?.shardId])
    // One that comes late from a worker that was thought dead makes and closes nothing.
    await ask(2)
    expect(await openShards(stepKey(1).stepExecutionId)).toEqual([made?.shardId])
    await end(1)
    expect(await ask(5, { leave: true })).toMatchObject({
      known: { leave: true },
      states: ['succeeded', 'running'],
    })
    for (let n = 0; n < 2; n++) expect(await ask(6)).toMatchObject({ ended: 'succeeded' })
    expect(await execution(key)).toMatchObject({ state: 'succeeded' })
  })

  it('refuse an operation that has no row, or is of another run, and go on', async () => {
    const other = await launched()
    const id = randomUUID()
    await insertOperation(pool, { ...other.key, id, kind: 'pause', args: {}, principalId })
    const { key, ask } = await launched()
    const operations = [randomUUID(), id]
    const refused = operations.map((operationId) =>
      expect.objectContaining({ operationId, state: 'refused' }),
    )
    expect(await ask(1, { operations })).toMatchObject({ outcomes: refused, step: { position: 0 } })
    expect(await execution(key)).toMatchObject({ state: 'running', pause: null })
    expect(await getOperation(pool, scopeId, id)).toMatchObject({ state: 'requested' })
  })

  it('begin no step of a run that is held, and end one that is cancelled', async () => {
    const { key, ask, stepKey } = await launched()
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'succeeded'))
    await transaction(pool, (tx) => requestPause(tx, key, false))
    expect(await ask(2)).toMatchObject({
      states: ['succeeded', 'pending'],
      standing: { paused: true },
      step: { position: 1, shards: [] },
    })
    await transaction(pool, (tx) => requestCancel(tx, key))
    expect(await ask(3)).toMatchObject({ ended: 'cancelled' })
  })

  it('leave a step that was skipped before its first look as it is', async () => {
    const { key, ask, stepKey } = await launched()
    const [first] = await listSteps(pool, scopeId, key.executionId)
    await transaction(pool, (tx) => skipStep(tx, key, first!))
    expect(await ask(1)).toMatchObject({ states: ['skipped', 'running'], step: { position: 1 } })
    await transaction(pool, (tx) => setStepState(tx, stepKey(0), 'running'))
    expect((await listSteps(pool, scopeId, key.executionId))[0]).toMatchObject({ state: 'skipped' })
  })

  it('tell the workflow of a cancel that only the row knows', async () => {
    const { key, ask } = await launched()
    await transaction(pool, (tx) => requestPause(tx, key, false))
    const held = await ask(1)
    expect(held.standing).toMatchObject({ paused: true, cancelRequested: false })
    await transaction(pool, (tx) => requestCancel(tx, key))
    const told = await ask(2)
    expect(told.standing).toMatchObject({ cancelRequested: true })
  })

  it('time a stop after every order before it, whatever the clocks of the workers say', async () => {
    const { key, ask } = await launched()
    const ahead = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + HOUR_MS / 2)
    await ask(1)
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
