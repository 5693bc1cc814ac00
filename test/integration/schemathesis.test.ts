/** The running API asked by Schemathesis: whatever a request holds, the answer is one that the document names. */
import type { HostId } from '../../domain/id'
import type { Platform } from '../../stack/platform/platform'
import { connectLog } from '../../store/log/connect'
import { dispatchKey } from '../../store/log/dispatch-key'
import { insertHost } from '../../store/postgres/hosts'
import { createPool, type Pool } from '../../store/postgres/pool'
import { grantRole, insertPrincipal, insertToken, newToken } from '../../store/postgres/principals'
import { firstScope } from '../../store/postgres/scopes'
import { TestApi } from '../helpers/api'
import { startTestPlatform } from '../helpers/platform'
import { findSchemathesis, runSchemathesis } from '../helpers/schemathesis'

const SEED = 7
const program = findSchemathesis()
// With CI=true the preparation has installed it: a missing one is a failure there.
const isSkipped = program === undefined && process.env['CI'] !== 'true'
const whenInstalled = isSkipped ? describe.skip : describe

whenInstalled('the running API, asked by Schemathesis', () => {
  let platform: Platform
  let pool: Pool
  const known: Record<string, string[]> = {
    scope: ['default'],
    position: ['0'],
    group: ['known'],
    script: ['known'],
    secret: ['known'],
    job: ['known'],
    plan: ['known'],
  }

  beforeAll(async () => {
    // No agents: what it launches is random text, which must not run anywhere.
    platform = await startTestPlatform({ agents: 0, fsync: false })
    pool = createPool(platform.env['DROVER_POSTGRES_URL'] ?? '', 2)
    await makeSamples()
  }, 120_000)

  afterAll(async () => {
    await pool?.end()
    await platform?.close()
  })

  async function makeSamples(): Promise<void> {
    const api = new TestApi(platform)
    const scope = await firstScope(pool)
    const hostIds: HostId[] = []
    for (const name of ['web-1', 'web-2', 'web-3']) {
      const id = await insertHost(pool, scope.id, name)
      if (id) hostIds.push(id)
    }
    // Away for long, past a door that has long been open: runs end at the first look, and with them what follows them.
    await pool.query(`update host set created_at = now() - interval '1 hour'`)
    await pool.query(`update gateway set alive_since = now() - interval '1 hour'`)
    await api.insist('PUT', '/groups/known', { target: 'name:web-[1-2]' })
    await api.insist('POST', '/scripts', { name: 'known', content: 'true', publish: true })
    await api.insist('POST', '/secrets', { name: 'known', value: 'sample' })
    await api.insist('PUT', '/jobs/known', { steps: [{ name: 'one', uses: 'known' }] })
    await api.insist('PUT', '/jobs/known/plans/known', {})
    const launched = [0, 1].map(() =>
      api.launch({ target: 'name:web-[1-3]', script: { script: 'true' }, confirm: 3 }),
    )
    const runs = await Promise.all(launched)
    for (const id of runs) await api.ended(id)
    await writeOutput(runs[0] ?? '', hostIds)
    Object.assign(known, { executionId: runs, hostId: hostIds })
  }

  /** Output of a host that no agent sent, so that reading it is tried, too. */
  async function writeOutput(executionId: string, hostIds: readonly HostId[]): Promise<void> {
    const data = Buffer.from('a line of output\n'.repeat(100))
    const row = await pool.query<{ day: string; step: string }>(
      `update host_result r set stdout_bytes = $2, stderr_bytes = 0 from execution e
       where e.id = r.execution_id and e.id = $1
       returning e.output_day as day, r.step_execution_id as step`,
      [executionId, data.length],
    )
    const { client, log } = connectLog(platform.env['DROVER_MONGO_URL'] ?? '')
    const { day = '', step = '' } = row.rows[0] ?? {}
    await log.insert(
      hostIds.map((hostId) => ({
        day,
        dispatch: dispatchKey(step, 1, hostId),
        stream: 'stdout' as const,
        offset: 0,
        data,
      })),
    )
    await client.close()
  }

  async function makeViewer(): Promise<string> {
    const scope = await firstScope(pool)
    const token = newToken()
    const principalId = await insertPrincipal(pool, { scopeId: scope.id, kind: 'service', name: 'viewer' })
    await grantRole(pool, scope.id, principalId, 'viewer')
    await insertToken(pool, { scopeId: scope.id, principalId, name: 'test', token })
    return token
  }

  async function ask(token: string, seconds: number): Promise<void> {
    if (program === undefined) throw new Error('Schemathesis is missing: node stack/prepare/python-tools.mjs')
    const verdict = await runSchemathesis(program, { url: platform.url, token, seconds, seed: SEED, known })
    expect(verdict.code === 0 ? '' : verdict.report).toBe('')
    // Not one that looked at nothing.
    const document = (await (await fetch(`${platform.url}/api/v1/openapi.json`)).json()) as {
      paths: Record<string, object>
    }
    // It leaves out the route of the document itself.
    expect(verdict.tested).toBe(Object.values(document.paths).flatMap(Object.keys).length - 1)
    // How many fit into the time is the machine's to say: thousands on a quiet one.
    expect(verdict.requests).toBeGreaterThan(3 * verdict.tested)
  }

  it('answers an administrator only as its document says', () => ask(platform.token, 45), 120_000)

  it('answers a viewer only as its document says', async () => ask(await makeViewer(), 20), 120_000)
})
