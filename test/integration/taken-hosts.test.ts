/** Steps that take hosts of earlier ones: played against a real database, what was taken is taken once, whatever comes twice, late or between. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { nothingKnown } from '../../activities/claim-execution'
import type { Asking, ControlActivities } from '../../activities/contract'
import { createControlActivities } from '../../activities/index'
import { SecretVault } from '../../activities/secret-vault'
import { createSigner } from '../../activities/signer'
import { freezeTargets, type TargetHost } from '../../domain/frozen-targets'
import type { HostState } from '../../domain/host-result'
import type { PrincipalId, ScopeId } from '../../domain/id'
import { compilePlan } from '../../domain/plan'
import { planSchema } from '../../domain/plan.schema'
import { reopenHosts, resumeHosts, retryHosts } from '../../store/postgres/attempts'
import { getExecution, listSteps, overrideStepState } from '../../store/postgres/executions'
import { insertLaunch } from '../../store/postgres/launches'
import { clearPause, reopenExecution, requestCancel, requestPause } from '../../store/postgres/operate'
import type { Pool } from '../../store/postgres/pool'
import { insertPrincipal } from '../../store/postgres/principals'
import { transaction } from '../../store/postgres/transaction'
import { startLedger, type TestLedger } from '../helpers/ledger'

const scopeId = '1' as ScopeId
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('hosts that a step takes of an earlier one', () => {
  let ledger: TestLedger
  let pool: Pool
  let activities: ControlActivities
  let principalId: PrincipalId
  let all: TargetHost[]

  beforeAll(async () => {
    ledger = await startLedger(6)
    pool = ledger.pool
    const { privateKey } = generateKeyPairSync('ed25519')
    const privatePart = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const signer = createSigner({ id: 'k1', publicPart: '', privatePart })
    const vault = new SecretVault([])
    activities = createControlActivities({ pool, signer, vault, lostAfterMs: 60_000, shardMaxHosts: 1_000 })
    principalId = await insertPrincipal(pool, { scopeId, kind: 'person', name: 'alice' })
    await pool.query(
      `insert into host (scope_id, name) select 1, 'web-' || n from generate_series(1, 10000) as n`,
    )
    all = (await pool.query<TargetHost>('select id, name from host order by id')).rows
  }, 120_000)

  afterAll(() => ledger?.close(), 60_000)

  const script = 'true'
  /** A run whose first step is on so many hosts, and the others take of it. */
  async function launched(hosts: number, ...more: object[]) {
    const steps = [{ name: 'deploy', script, onFailure: 'ignore' }, ...more]
    const compilation = compilePlan(planSchema.parse({ name: 'taken', steps }), { sha256 })
    const targets = freezeTargets([], [all.slice(0, hosts), ...more.map(() => [])])
    const { id: executionId, workflowId } = await transaction(pool, (tx) =>
      insertLaunch(tx, {
        scopeId,
        scopeName: 'default',
        principalId,
        trigger: 'api',
        compilation,
        target: '*',
        targets,
        expiresInMs: 3_600_000,
      }),
    )
    const key = { scopeId, executionId }
    const ref = { ...key, workflowId, firstRunId: 'run-0' }
    await activities.claimExecution({ ...ref, look: 0 })
    let look = 0
    const ask = (more: Partial<Asking> = {}) =>
      activities.advance({ ...ref, ...nothingKnown, operations: [], look: ++look, ...more })
    const show = () => listSteps(pool, scopeId, executionId)
    const end = (position: number, state: HostState, places: readonly number[]) =>
      pool.query(
        `update host_result r set state = $3, started = 'yes', ended_at = now() from step_execution s
         where s.execution_id = $1 and s.position = $2 and r.execution_id = $1 and r.step_execution_id = s.id and r.position = any($4)`,
        [executionId, position, state, places],
      )
    const names = async (position: number) =>
      (
        await pool.query<{ name: string }>(
          `select r.host_name as name from host_result r join step_execution s on s.execution_id = $1 and s.id = r.step_execution_id
           where r.execution_id = $1 and s.position = $2 order by r.position`,
          [executionId, position],
        )
      ).rows.map((row) => row.name)
    /** As an operator's resume of an ended run does it: under a new workflow, steps that were cancelled begin again. */
    const resume = async (continuation: number) => {
      await ask()
      const workflowId = await transaction(pool, async (tx) => {
        for (const step of await show()) {
          if (step.state !== 'cancelled') continue
          await resumeHosts(tx, key, step)
          await overrideStepState(tx, { ...key, stepExecutionId: step.id }, 'pending')
        }
        return reopenExecution(tx, key, 'default', continuation)
      })
      Object.assign(ref, { workflowId, firstRunId: `run-${continuation}` })
      await activities.claimExecution({ ...ref, look: ++look })
    }
    return { key, ask, show, end, names, resume }
  }
  const taking = (target: string, more: object = {}) => ({ name: target, script, target, ...more })

  it('are written when its turn comes, and never again', async () => {
    const { key, ask, show, end, names } = await launched(3, taking('step:deploy:failed'))
    await ask()
    expect(await names(1)).toEqual([])
    expect((await show())[1]).toMatchObject({ hosts: 0, state: 'pending' })
    await end(0, 'failed', [0])
    await end(0, 'timed_out', [1])
    await end(0, 'unknown', [2])
    const answer = await ask()
    expect(answer).toMatchObject({ states: ['ignored', 'running'], step: { position: 1, missing: 2 } })
    expect(await names(1)).toEqual(['web-1', 'web-2'])
    const [deploy] = await show()
    // Asked again, of an earlier question, and after the earlier step came to something else.
    await ask({ look: 2 })
    await transaction(pool, (tx) => retryHosts(tx, key, deploy!, { states: ['timed_out'] }))
    await end(0, 'succeeded', [1])
    await end(0, 'failed', [2])
    await ask()
    await ask()
    expect(await names(1)).toEqual(['web-1', 'web-2'])
    expect((await show())[1]).toMatchObject({ hosts: 2, counts: { pending: 2 } })
  })

  it('are not taken while the run is held', async () => {
    const { key, ask, end, names } = await launched(2, taking('last:succeeded'))
    await ask()
    await end(0, 'succeeded', [0, 1])
    await transaction(pool, (tx) => requestPause(tx, key, false))
    await ask()
    expect(await names(1)).toEqual([])
    await end(0, 'failed', [1])
    await transaction(pool, (tx) => clearPause(tx, key))
    await ask()
    expect(await names(1)).toEqual(['web-1'])
  })

  it('are those of several steps, each once, in the order of the run', async () => {
    const { ask, end, names } = await launched(
      4,
      taking('step:deploy:failed'),
      taking('last:failed\nstep:deploy:failed\nstep:deploy:unknown'),
    )
    await ask()
    await end(0, 'failed', [1, 3])
    await end(0, 'unknown', [0])
    await end(0, 'succeeded', [2])
    await ask()
    await end(1, 'succeeded', [1, 3])
    await ask()
    expect(await names(2)).toEqual(['web-1', 'web-2', 'web-4'])
  })

  it('are taken by a run that was cancelled before, when it is resumed; and not again by one that had begun', async () => {
    const { key, ask, show, end, names, resume } = await launched(3, taking('step:deploy:succeeded'))
    await ask()
    await end(0, 'succeeded', [0, 1, 2])
    await transaction(pool, (tx) => requestCancel(tx, key))
    expect(await ask()).toMatchObject({ ended: 'cancelled', states: ['succeeded', 'cancelled'] })
    await end(0, 'failed', [2])
    await resume(1)
    expect(await names(1)).toEqual(['web-1', 'web-2'])
    await transaction(pool, (tx) => requestCancel(tx, key))
    await end(0, 'succeeded', [2])
    await resume(2)
    expect(await names(1)).toEqual(['web-1', 'web-2'])
    expect((await show())[1]).toMatchObject({ hosts: 2, state: 'running' })
  })

  it('may be none: the step is skipped, or has failed where it says so, and is asked again after a retry', async () => {
    const { key, ask, show, end, names } = await launched(
      2,
      taking('step:deploy:failed'),
      taking('last:all', { onEmpty: 'fail', onFailure: 'ignore' }),
      taking('step:deploy:timed_out', { onEmpty: 'fail' }),
    )
    await ask()
    await end(0, 'succeeded', [0, 1])
    expect(await ask()).toMatchObject({
      ended: 'failed',
      states: ['succeeded', 'skipped', 'skipped', 'failed'],
    })
    expect((await show()).map(({ reason }) => reason)).toEqual([
      null,
      'target_empty',
      'target_empty',
      'target_empty',
    ])
    expect((await getExecution(pool, scopeId, key.executionId))?.state).toBe('failed')
    const [, skipped] = await show()
    await transaction(pool, async (tx) => {
      await tx.query(`update execution set state = 'running' where id = $1`, [key.executionId])
      await reopenHosts(tx, key, skipped!)
      await overrideStepState(tx, { ...key, stepExecutionId: skipped!.id }, 'pending')
    })
    await end(0, 'failed', [1])
    await ask()
    expect(await names(1)).toEqual(['web-2'])
  })

  it('are ten thousand without a list of them in an answer', async () => {
    const { ask, show, end } = await launched(10_000, taking('step:deploy:succeeded'))
    await ask()
    await end(
      0,
      'succeeded',
      all.map((_, place) => place),
    )
    const from = performance.now()
    const answer = await ask()
    expect(performance.now() - from).toBeLessThan(15_000)
    expect(JSON.stringify(answer).length).toBeLessThan(2_000)
    expect((await show())[1]).toMatchObject({ hosts: 10_000, counts: { pending: 10_000 } })
  })
})
