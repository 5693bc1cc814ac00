/** Stops of what may still run on hosts that were given up: played against a real database, they last until the hosts have told. */
import { createHash } from 'node:crypto'
import { endExecution } from '../../activities/end-execution'
import type { ExecutionId, HostId, PrincipalId, ScopeId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { retryHosts } from '../../store/postgres/attempts'
import { listSteps, setExecutionState, setStepState } from '../../store/postgres/executions'
import { insertHost } from '../../store/postgres/hosts'
import { insertLaunch } from '../../store/postgres/launches'
import { writeHostUpdates } from '../../store/postgres/ledger'
import { endStrandedHosts, reopenExecution, requestCancel } from '../../store/postgres/operate'
import type { Db, Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { listOpenHosts } from '../../store/postgres/shards'
import { closeEndedStep, endStep } from '../../store/postgres/step-ends'
import { answerStopRequest, listStrandedTasks, takeStopRequests } from '../../store/postgres/stops'
import { transaction } from '../../store/postgres/transaction'
import { beginUndo } from '../../store/postgres/undo'
import { listVerdicts } from '../../store/postgres/verdicts'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const undo = { type: 'script', language: 'sh', script: 'true' } as const
const plan = planSchema.parse({
  name: 'stopped',
  steps: [
    { name: 'one', language: 'sh', script: 'true', undo },
    { name: 'two', language: 'sh', script: 'true', undo },
  ],
})

describe('a stop of what may still run', () => {
  let ledger: TestLedger
  let pool: Pool
  let principalId: PrincipalId
  let hostId: HostId

  beforeAll(async () => {
    ledger = await startLedger(4)
    pool = ledger.pool
    principalId = await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
    hostId = (await insertHost(pool, scopeId, 'web-1'))!
    await pool.query(`update host set journal_id = 'j1' where id = $1`, [hostId])
    await pool.query(
      `insert into agent_session (scope_id, host_id, gateway, gateway_boot, epoch) values ($1, $2, 'g1', gen_random_uuid(), 5)`,
      [scopeId, hostId],
    )
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  type Way = (run: Awaited<ReturnType<typeof launched>>, tx: Db) => Promise<unknown>

  /** A run whose first step runs on one host. */
  async function launched() {
    const compilation = compilePlan(plan, { sha256 })
    const { id: executionId } = await transaction(pool, (tx) =>
      insertLaunch(tx, {
        scopeId,
        scopeName: 'default',
        principalId,
        trigger: 'api',
        compilation,
        target: '*',
        targets: { hosts: [{ id: hostId, name: 'web-1' }], steps: [[0], [0]], lists: {} },
        expiresInMs: 3_600_000,
      }),
    )
    const key = { scopeId, executionId }
    const [one, two] = await listSteps(pool, scopeId, executionId)
    const stepKey = { ...key, stepExecutionId: one!.id }
    await transaction(pool, async (tx) => {
      await setExecutionState(tx, key, 'running')
      await setStepState(tx, stepKey, 'running')
    })
    await set(
      stepKey.stepExecutionId,
      `state = 'running', started = 'yes', journal_id = 'j1', dispatched_at = now()`,
    )
    return { key, stepKey, next: two!.id, plan: compilation.plan }
  }

  const set = (stepExecutionId: string, columns: string) =>
    pool.query(`update host_result set ${columns} where step_execution_id = $1`, [stepExecutionId])
  const giveUp = (stepExecutionId: string, reason: string) =>
    set(stepExecutionId, `state = 'unknown', started = 'maybe', reason = '${reason}', ended_at = now()`)
  /** What the host may still run is an attempt that another one has replaced, which is over. */
  async function replace({ key, stepKey }: Awaited<ReturnType<typeof launched>>) {
    const step = { id: stepKey.stepExecutionId }
    await transaction(pool, (tx) => retryHosts(tx, key, step, { states: ['unknown'] }))
    await set(
      step.id,
      `state = 'succeeded', started = 'yes', journal_id = 'j1', dispatched_at = now(), ended_at = now()`,
    )
  }
  /** A worker signs what is asked for; then these are told, in a session of the host. */
  async function told(executionId: ExecutionId) {
    await transaction(pool, async (tx) => {
      for (const request of await takeStopRequests(tx, 50))
        await answerStopRequest(tx, request, {
          order: Buffer.from('o'),
          signature: Buffer.from('s'),
          keyId: 'k',
        })
    })
    return (await listStrandedTasks(pool, [hostId])).filter((task) => task.executionId === executionId)
  }

  const ways: Record<string, Way> = {
    cancel: ({ key }, tx) => requestCancel(tx, key),
    async 'the end of a cancelled run'({ key }, tx) {
      await tx.query(`update execution set cancel_requested_at = now() where id = $1`, [key.executionId])
      const steps = await listSteps(tx, scopeId, key.executionId)
      await endExecution(tx, key, 'cancelled', { steps, states: steps.map(({ state }) => state) })
    },
    async next({ stepKey }, tx) {
      await endStep(tx, stepKey, 'alice')
      await closeEndedStep(tx, stepKey)
    },
    async 'the end of its workflow by somebody'({ key }, tx) {
      await endStrandedHosts(tx, key)
    },
    async undo({ key, plan: compiled }, tx) {
      const steps = await listSteps(tx, scopeId, key.executionId)
      await beginUndo(tx, key, { plan: compiled, steps, includeUnknown: true })
    },
    async 'an undo that leaves the host out'({ key, plan: compiled }, tx) {
      const steps = await listSteps(tx, scopeId, key.executionId)
      await beginUndo(tx, key, { plan: compiled, steps, includeUnknown: false })
    },
  }
  const reasons = ['agent_lost', 'reboot_overdue', 'engine_terminated', 'journal_lost', 'journal_conflict']
  const cases = Object.keys(ways).flatMap((way) =>
    reasons.flatMap((reason) => [false, true].map((isFormer) => [way, reason, isFormer] as const)),
  )

  it.each(cases)(
    'is asked for by %s, of a host given up as %s (a former attempt: %p)',
    async (way, reason, isFormer) => {
      const run = await launched()
      const { key, stepKey } = run
      await giveUp(stepKey.stepExecutionId, reason)
      if (isFormer) await replace(run)
      await transaction(pool, async (tx) => void (await ways[way]!(run, tx)))
      const task = { hostId, stepExecutionId: stepKey.stepExecutionId, attempt: 1, journalId: 'j1' }
      expect(await told(key.executionId)).toMatchObject([task])
      // Whatever becomes of the run.
      await transaction(pool, (tx) => reopenExecution(tx, key, 'default', 1))
      expect(await told(key.executionId)).toMatchObject([task])
    },
  )

  it.each(['interrupted', 'rebooted', 'journal_rolled_back', 'host_revoked'])(
    'is not asked for of a host that is %s: it has told, or can tell no more',
    async (reason) => {
      for (const way of Object.values(ways)) {
        const run = await launched()
        await giveUp(run.stepKey.stepExecutionId, reason)
        await transaction(pool, async (tx) => void (await way(run, tx)))
        expect(await told(run.key.executionId)).toEqual([])
      }
    },
  )

  it('is not for what was ordered after it', async () => {
    const run = await launched()
    const { key, stepKey } = run
    await giveUp(stepKey.stepExecutionId, 'agent_lost')
    await transaction(pool, (tx) => requestCancel(tx, key))
    await replace(run)
    await set(stepKey.stepExecutionId, `dispatched_at = clock_timestamp()`)
    await giveUp(stepKey.stepExecutionId, 'agent_lost')
    expect((await told(key.executionId)).map(({ attempt }) => attempt)).toEqual([1])
  })

  it('keeps other scripts of the run from the host until its journal has told, with or without an end', async () => {
    for (const isFormer of [false, true])
      for (const [state, reason] of [
        ['cancelled', 'cancelled_by_operator'],
        ['unknown', 'rebooted'],
        ['rejected', 'policy_refused'],
      ] as const) {
        const run = await launched()
        const { key, stepKey, next } = run
        await giveUp(stepKey.stepExecutionId, 'agent_lost')
        if (isFormer) await replace(run)
        await transaction(pool, (tx) => requestCancel(tx, key))
        await transaction(pool, (tx) => reopenExecution(tx, key, 'default', 1))
        const isStopping = async () =>
          (await listOpenHosts(pool, { ...key, stepExecutionId: next })).map((host) => host.isStopping)
        expect(await isStopping()).toEqual([true])
        // Another journal has nothing to stop, and nothing to tell.
        await pool.query(`update host set journal_id = 'j2' where id = $1`, [hostId])
        expect(await isStopping()).toEqual([false])
        await pool.query(`update host set journal_id = 'j1' where id = $1`, [hostId])
        const news = {
          ...stepKey,
          hostId,
          attempt: 1,
          state,
          started: 'maybe',
          reason,
          gateway: 'g1',
        } as const
        expect(await writeHostUpdates(pool, [{ ...news, epoch: '4' }])).toBe(0)
        expect(await isStopping()).toEqual([true])
        expect(await writeHostUpdates(pool, [{ ...news, epoch: '5' }])).toBe(1)
        expect(await writeHostUpdates(pool, [{ ...news, epoch: '5' }])).toBe(0)
        expect(await isStopping()).toEqual([false])
        expect((await listVerdicts(pool, { ...stepKey, hostId })).slice(0, 2)).toMatchObject([
          { attempt: 1, state: 'unknown', reason: 'agent_lost', amended: false },
          { attempt: 1, state, reason, amended: true },
        ])
      }
  })
})
