/** Nested plans with secret variables and public scripts: whose value each visit is given, what holds it, and who sees what. */
import { randomUUID } from 'node:crypto'
import { removeUnheldValues } from '../../store/postgres/own-values'
import { listGivenSecrets } from '../../store/postgres/secrets'
import { openEnvelope } from '../../store/secret-envelope'
import { addSecretsKey } from '../helpers/two-scopes'
import { tablesWith } from '../helpers/whole-database'
import { type Answer, type ApiFixture, startApiFixture } from './api-fixture'

let api: ApiFixture
let privatePart: string
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
  privatePart = await addSecretsKey(api, { id: 'test', key: Buffer.alloc(32) })
}, 120_000)

afterAll(() => api?.close())

const call = (method: string, path: string, body?: unknown) => api.call(path, { method, body })
const get = (path: string) => call('GET', path)
const says = (answer: Answer) => [answer.status, answer.body.code]
const brings = (plan: string, more: object = {}) => ({ type: 'plan', name: 'in', plan, ...more })
const script = (name: string, more: object = {}) => ({ name, script: 'true', ...more })
const secret = (name: string, value?: unknown) => ({
  name,
  type: 'secret',
  ...(value === undefined ? {} : { value }),
})

async function must(answer: Promise<Answer>): Promise<Answer> {
  const came = await answer
  if (came.status >= 300) throw new Error(came.text)
  return came
}

/** A job with a plan `p`. */
async function make(steps: object[], variables: object[] = [], values: object = {}): Promise<string> {
  const name = `job-${++count}`
  await must(call('PUT', `/jobs/${name}`, { steps, variables }))
  await must(call('PUT', `/jobs/${name}/plans/p`, { values }))
  return name
}

async function makeSecret(value: string): Promise<string> {
  const name = `secret-${++count}`
  await must(call('POST', '/secrets', { name, value }))
  return name
}

const jobOf = (name: string) => ({ target: '*', job: { name, plan: 'p' } })
const launch = async (body: object) => String((await must(call('POST', '/executions', body))).body['id'])

/** What the workers' key opens of what the steps of a run are given, by their names. */
async function givenIn(runId: string): Promise<Record<string, Record<string, string>>> {
  const { rows } = await api.pool.query<{ step: string; secrets: Record<string, { id: string }> | null }>(
    `select s->>'name' as step, s->'secrets' as secrets
     from execution e join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash, jsonb_array_elements(p.body->'steps') as s where e.id = $1`,
    [runId],
  )
  const given: Record<string, Record<string, string>> = {}
  for (const { step, secrets } of rows) {
    const opened: Record<string, string> = {}
    for (const [name, { id }] of Object.entries(secrets ?? {})) {
      const [stored] = await listGivenSecrets(api.pool, api.scopeId, [id])
      opened[name] = stored ? openEnvelope(privatePart, stored, stored).toString() : 'nothing'
    }
    given[step] = opened
  }
  return given
}

describe('a secret variable of a nested plan', () => {
  it('has the value of the revision that is brought, and one that it follows; it is shown as stars, with the step', async () => {
    const value = `canary-${randomUUID()}`
    const [inner, outer] = [`${value}-inner`, `${value}-outer`]
    const base = await make([script('one')], [secret('OWN', 'of the job'), secret('PW')], { OWN: inner })
    const job = await make(
      [script('first'), brings(`${base}/p@1`, { follows: { PW: 'MINE' } })],
      [secret('MINE', outer), secret('OTHER', 'unseen inside')],
    )
    await must(call('PUT', `/jobs/${base}/plans/p`, { values: { OWN: 'of revision 2' }, revision: 1 }))
    const id = await launch(jobOf(job))
    expect(await givenIn(id)).toEqual({
      first: { MINE: outer, OTHER: 'unseen inside' },
      'in/one': { OWN: inner, PW: outer },
    })
    expect((await get(`/jobs/${job}`)).body).toMatchObject({ changedPlans: [{ newest: 2 }] })
    const visit = { step: 'in', plan: `${base}/p@1` }
    const shown = [
      { name: 'MINE', in: null, type: 'secret' },
      { name: 'OTHER', in: null, type: 'secret' },
      { name: 'OWN', in: visit, type: 'secret' },
      { name: 'PW', in: visit, type: 'secret' },
    ]
    const preview = await must(call('POST', '/executions/preview', jobOf(job)))
    expect(preview.body['variables']).toEqual(shown.map((one) => ({ ...one, value: '******' })))
    expect(preview.body['steps']).toMatchObject([{}, { secrets: { OWN: '******', PW: '******' } }])
    expect((await get(`/executions/${id}/variables`)).body['items']).toMatchObject(
      shown.map((one) => ({ ...one, initial: '******' })),
    )
    const paths = [
      `/executions/${id}`,
      `/executions/${id}/variables`,
      `/executions/${id}/launch`,
      `/jobs/${base}/plans/p?revision=1`,
      `/jobs/${job}/plans/p`,
    ]
    for (const path of paths) expect((await must(get(path))).text).not.toMatch(new RegExp(`${value}|value/`))
    expect(await tablesWith(api.pool, value)).toEqual([])
  })

  it('is the same when the run is done again, also what came with the launch', async () => {
    const db = await makeSecret('one')
    const base = await make([script('one')], [secret('OWN', 'kept'), secret('PW'), secret('DB')])
    const job = await make(
      [brings(`${base}/p@1`, { follows: { PW: 'MINE' }, values: { DB: { secret: db } } })],
      [secret('MINE')],
    )
    const id = await launch({ ...jobOf(job), variables: { MINE: 'typed' } })
    const given = { 'in/one': { OWN: 'kept', PW: 'typed', DB: 'one' } }
    expect(await givenIn(id)).toEqual(given)
    await must(call('POST', `/secrets/${db}/versions`, { value: 'two' }))
    const again = (await must(get(`/executions/${id}/launch`))).body as object
    expect(again).toMatchObject({
      secretsOf: id,
      plan: { steps: [{ follows: { PW: 'MINE' }, values: { DB: { secret: `${db}@1` } } }] },
    })
    expect(await givenIn(await launch(again))).toEqual(given)
    expect((await givenIn(await launch({ ...jobOf(job), variables: { MINE: 'x' } })))['in/one']).toEqual({
      OWN: 'kept',
      PW: 'x',
      DB: 'two',
    })
  })

  it('takes no text from a step, and nothing of one is kept', async () => {
    const value = `canary-${randomUUID()}`
    const base = await make([script('one')], [secret('PW')])
    const steps = [brings(`${base}/p@1`, { values: { PW: value } })]
    const kept = await call('PUT', '/jobs/wrong', { steps })
    const launched = await call('POST', '/executions', { target: '*', plan: { name: 'x', steps } })
    for (const refused of [kept, launched]) {
      expect(says(refused)).toEqual([400, 'plan_invalid'])
      expect(refused.body.detail).toContain(`PW of ${base}/p@1 is a secret, and no step keeps one`)
      expect(refused.text).not.toContain(value)
    }
    expect(await tablesWith(api.pool, value)).toEqual([])
  })

  it('names a secret by the step that brings the plan: that one is cited, and cannot be removed', async () => {
    const [db, like] = [await makeSecret('one'), await makeSecret('two')]
    const base = await make([script('one')], [secret('PW'), { name: 'M', type: 'map' }])
    // A map that says the same is a map.
    const values = { PW: { secret: `${db}@1` }, M: { secret: like } }
    const job = await make([brings(`${base}/p@1`, { values })])
    expect((await get(`/secrets/${db}/citations`)).body['items']).toEqual([
      { job, plan: null, step: 'in', as: 'PW', uses: `${db}@1` },
      { job, plan: 'p', step: 'in', as: 'PW', uses: `${db}@1` },
    ])
    const refused = await call('DELETE', `/secrets/${db}`)
    expect([...says(refused), refused.body.detail]).toEqual([
      409,
      'secret_in_use',
      expect.stringContaining(`job ${job} in step "in"`),
    ])
    await must(call('DELETE', `/secrets/${like}`))
    const unknown = [brings(`${base}/p@1`, { values: { PW: { secret: 'nobody' } } })]
    expect(says(await call('PUT', '/jobs/wrong', { steps: unknown }))).toEqual([404, 'secret_unknown'])
  })

  it('keeps the value of an older revision as long as something brings it, and says so where it is gone', async () => {
    const values = async () =>
      (await api.pool.query(`select count(*)::int as n from secret where own_value`)).rows[0].n as number
    const sweep = () => removeUnheldValues(api.pool, 7 * 86_400_000, 0)
    await sweep()
    const before = await values()
    const base = await make([script('one')], [secret('PW')], { PW: 'first' })
    const job = await make([brings(`${base}/p@1`)])
    await must(call('PUT', `/jobs/${base}/plans/p`, { values: { PW: 'second' }, revision: 1 }))
    expect([await sweep(), await values()]).toEqual([0, before + 2])
    const id = await launch(jobOf(job))
    await must(call('PUT', `/jobs/${job}`, { steps: [brings(`${base}/p@2`)], revision: 1 }))
    await must(call('POST', `/jobs/${job}/sync`, { revision: 2 }))
    // The run holds what it was given in the visit.
    expect([await sweep(), await givenIn(id)]).toEqual([0, { 'in/one': { PW: 'first' } }])
    await api.pool.query(
      `update execution set state = 'succeeded', ended_at = now() - interval '8 days' where id = $1`,
      [id],
    )
    expect([await sweep(), await values()]).toEqual([1, before + 1])
    const steps = [brings(`${base}/p@1`)]
    const gone = await call('POST', '/executions', { target: '*', plan: { name: 'x', steps } })
    expect([...says(gone), gone.body.detail]).toEqual([
      409,
      'secret_version_refused',
      expect.stringContaining('not kept any more'),
    ])
    const other = [brings(`${base}/p@1`, { follows: { PW: 'MINE' } })]
    const variables = [secret('MINE', 'third')]
    const run = await launch({ target: '*', plan: { name: 'x', steps: other, variables } })
    expect(await givenIn(run)).toEqual({ 'in/one': { PW: 'third' } })
  })
})

describe('a public script in a nested plan', () => {
  it('runs in every scope that may nest it, and is stopped and cited by what brings it', async () => {
    const name = `shared-${++count}`
    await must(call('POST', '/public-scripts', { name, content: 'echo shared', publish: true }))
    const scopeId = await api.addScope('nesting')
    await api.addHosts(scopeId, ['db-1'])
    const token = await api.principal('nester', scopeId, ['admin'])
    const theirs = (method: string, path: string, body?: unknown) =>
      api.call(path, { method, body, scope: 'nesting', token })
    await must(theirs('PUT', '/jobs/base', { steps: [{ name: 'one', uses: `public/${name}` }] }))
    await must(theirs('PUT', '/jobs/base/plans/p', {}))
    await must(theirs('PUT', '/jobs/outer', { steps: [brings('base/p@1')] }))
    await must(theirs('PUT', '/jobs/outer/plans/p', {}))
    const run = await must(theirs('POST', '/executions', jobOf('outer')))
    const id = String(run.body['id'])
    expect((await theirs('GET', `/executions/${id}/steps/0/script`)).body).toMatchObject({
      content: 'echo shared',
      uses: `public/${name}@1`,
    })
    // A revision that is brought still uses it, when its job does no more.
    await must(theirs('PUT', '/jobs/base', { steps: [script('else')], revision: 1 }))
    await must(theirs('POST', '/jobs/base/sync', { revision: 2 }))
    const cited = (await theirs('GET', `/public-scripts/${name}/citations`)).body
    expect(cited).toMatchObject({ items: [{ job: 'base', plan: 'p@1', step: 'one' }], elsewhere: null })
    expect((await get(`/public-scripts/${name}/citations`)).body).toMatchObject({ items: [], elsewhere: 1 })
    await must(call('POST', `/public-scripts/${name}/versions/1/disable`))
    expect(says(await call('DELETE', `/public-scripts/${name}`))).toEqual([409, 'script_in_use'])
    expect(says(await theirs('POST', '/executions', jobOf('outer')))).toEqual([409, 'script_version_refused'])
    await must(theirs('PUT', '/jobs/outer', { steps: [brings('base/p@2')], revision: 1 }))
    await must(theirs('POST', '/jobs/outer/sync', { revision: 2 }))
    await must(call('DELETE', `/public-scripts/${name}`))
  })
})
