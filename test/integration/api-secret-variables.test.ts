/** Secret variables by their public face: given by jobs, plans and launches, shown as stars, kept as long as something holds them. */
import { createHash, randomUUID } from 'node:crypto'
import { removeUnheldValues } from '../../store/postgres/own-values'
import { listGivenSecrets } from '../../store/postgres/secrets'
import { openEnvelope } from '../../store/secret-envelope'
import { addSecretsKey } from '../helpers/two-scopes'
import { tablesWith } from '../helpers/whole-database'
import { type Answer, type ApiFixture, type Call, startApiFixture } from './api-fixture'

let api: ApiFixture
let privatePart: string
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
  const early = await call('PUT', '/jobs/too-early', job('value'))
  expect(says(early)).toEqual([503, 'unavailable'])
  privatePart = await addSecretsKey(api, { id: 'test', key: Buffer.alloc(32) })
}, 120_000)

afterAll(() => api?.close())

const call = (method: string, path: string, body?: unknown, more: Call = {}) =>
  api.call(path, { method, body, ...more })
const get = (path: string) => call('GET', path)
const says = (answer: Answer) => [answer.status, answer.body.code]
const secret = (value?: unknown, more: object = {}) => ({
  name: 'PASSWORD',
  type: 'secret',
  ...(value === undefined ? {} : { value }),
  ...more,
})
const job = (value?: unknown, more: object = {}) => ({
  steps: [{ name: 'one', script: 'true' }],
  variables: [secret(value)],
  ...more,
})

async function makeJob(value?: unknown): Promise<string> {
  const name = `job-${++count}`
  expect(says(await call('PUT', `/jobs/${name}`, job(value)))).toEqual([200, undefined])
  expect((await call('PUT', `/jobs/${name}/plans/all`, {})).status).toBe(200)
  return name
}

async function makeSecret(value: string): Promise<string> {
  const name = `secret-${++count}`
  expect((await call('POST', '/secrets', { name, value })).status).toBe(201)
  return name
}

const launch = (body: object) => call('POST', '/executions', { target: 'name:web-1', ...body })
const launchJob = async (name: string, more: object = {}) => {
  const launched = await launch({ job: { name, plan: 'all' }, ...more })
  expect(says(launched)).toEqual([201, undefined])
  return String(launched.body['id'])
}
const preview = (body: object) => call('POST', '/executions/preview', { target: 'name:web-1', ...body })

/** What the workers' key opens of what a run's first step is given. */
async function givenIn(runId: string, name = 'PASSWORD'): Promise<string> {
  const { rows } = await api.pool.query<{ id: string }>(
    `select p.body->'steps'->0->'secrets'->$2->>'id' as id from execution e join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash where e.id = $1`,
    [runId, name],
  )
  const [stored] = await listGivenSecrets(api.pool, api.scopeId, [rows[0]?.id ?? '0'])
  return stored ? openEnvelope(privatePart, stored, stored).toString() : 'nothing'
}

const shown = async (name: string) =>
  ((await get(`/jobs/${name}`)).body as unknown as { variables: { value?: unknown }[] }).variables[0]?.value

describe('a secret variable of a job', () => {
  it('is shown as stars, given to runs, and stands in no row, no answer and no audit', async () => {
    const value = `canary-${randomUUID()}`
    const name = await makeJob(value)
    const answers = await Promise.all([
      get(`/jobs/${name}`),
      get(`/jobs/${name}/plans/all`),
      get(`/jobs/${name}/plans`),
      get('/secrets?limit=1000'),
      preview({ job: { name, plan: 'all' } }),
    ])
    for (const { status, text } of answers) {
      expect(status).toBe(200)
      expect(text).not.toContain(value)
      expect(text).not.toContain('value/')
    }
    expect(await shown(name)).toBe('******')
    const id = await launchJob(name)
    expect(await givenIn(id)).toBe(value)
    const variables = await get(`/executions/${id}/variables`)
    expect(variables.body['items']).toEqual([
      {
        name: 'PASSWORD',
        in: null,
        type: 'secret',
        changeable: false,
        initial: '******',
        inputs: [],
        values: [],
      },
    ])
    for (const path of [`/executions/${id}`, `/executions/${id}/launch`, `/executions/${id}/variables`])
      expect((await get(path)).text).not.toMatch(new RegExp(`${value}|value/`))
    expect(await tablesWith(api.pool, value)).toEqual([])
  })

  it('keeps its value where a document says ******, and the plans see no change', async () => {
    const name = await makeJob('the first')
    const before = (await get(`/jobs/${name}`)).body as { revision: number }
    const again = await call('PUT', `/jobs/${name}`, { ...job('******'), revision: before.revision })
    expect(says(again)).toEqual([200, undefined])
    expect((await get(`/jobs/${name}/plans/all`)).body['needsSync']).toBe(false)
    expect(await givenIn(await launchJob(name))).toBe('the first')
    await call('PUT', `/jobs/${name}`, { ...job('the second'), revision: before.revision + 1 })
    expect((await get(`/jobs/${name}/plans/all`)).body['needsSync']).toBe(true)
    expect(await givenIn(await launchJob(name))).toBe('the first')
    await call('POST', `/jobs/${name}/sync`, { revision: before.revision + 2 })
    expect(await givenIn(await launchJob(name))).toBe('the second')
  })

  it.each([
    ['stars in a new job', '******', 400, 'plan_invalid'],
    ['nothing', '', 400, 'plan_invalid'],
    ['a list', ['a'], 400, 'plan_invalid'],
    ['what is kept of another', { secret: `value/${randomUUID()}` }, 400, 'request_invalid'],
    ['a secret that is not there', { secret: 'nobody' }, 404, 'secret_unknown'],
    ['more than 64 KiB', 'ä'.repeat(33_000), 400, 'secret_too_large'],
  ])('is refused with %s, and nothing is kept of it', async (_what, value, status, code) => {
    const kept = async () =>
      (await api.pool.query('select count(*)::int as n from secret where own_value')).rows[0]
    const before = await kept()
    const refused = await call('PUT', `/jobs/refused-${++count}`, job(value))
    expect(says(refused)).toEqual([status, code])
    expect(await kept()).toEqual(before)
  })

  it('is no secret of a step beside it, and no variable of one, also as long as it has no value', async () => {
    for (const fields of [{ secrets: { PASSWORD: 'any' } }, { environment: { PASSWORD_FILE: 'x' } }]) {
      await call('POST', '/secrets', { name: 'any', value: 'x' })
      const steps = [{ name: 'one', script: 'true', ...fields }]
      const refused = await call('PUT', '/jobs/twice', job(undefined, { steps }))
      expect([...says(refused), refused.body.detail]).toEqual([
        400,
        'plan_invalid',
        expect.stringContaining('give one of them another name'),
      ])
    }
  })

  it('is not changeable, and stands in no argument', async () => {
    const changeable = { ...job(), variables: [secret('x', { changeable: true })] }
    expect(says(await call('PUT', '/jobs/wrong', changeable))).toEqual([400, 'request_invalid'])
    const steps = [{ name: 'one', script: 'true', arguments: ['--password', '${PASSWORD}'] }]
    const refused = await call('PUT', '/jobs/wrong', job('x', { steps }))
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'plan_invalid',
      expect.stringContaining('is a secret'),
    ])
  })

  it('names a secret of the store: that one cannot be removed, and its newest version is frozen by each launch', async () => {
    const db = await makeSecret('one')
    const name = await makeJob({ secret: db })
    expect(await shown(name)).toEqual({ secret: db })
    const cited = (await get(`/secrets/${db}/citations`)).body['items']
    expect(cited).toEqual([
      { job: name, plan: null, step: null, as: 'PASSWORD', uses: db },
      { job: name, plan: 'all', step: null, as: 'PASSWORD', uses: db },
    ])
    const removed = await call('DELETE', `/secrets/${db}`)
    expect([...says(removed), removed.body.detail]).toEqual([
      409,
      'secret_in_use',
      expect.stringContaining('in the variable PASSWORD'),
    ])
    const id = await launchJob(name)
    await call('POST', `/secrets/${db}/versions`, { value: 'two' })
    expect([await givenIn(id), await givenIn(await launchJob(name))]).toEqual(['one', 'two'])
    expect((await get(`/executions/${id}/variables`)).body['items']).toMatchObject([
      { initial: { secret: `${db}@1` } },
    ])
  })
})

describe('the own value of a plan', () => {
  it('counts before the job’s, outlives a sync, and stays where a document says ******', async () => {
    const name = await makeJob('of the job')
    const put = (values: object, more: object) => call('PUT', `/jobs/${name}/plans/all`, { values, ...more })
    expect(says(await put({ PASSWORD: 'of the plan' }, { revision: 1 }))).toEqual([200, undefined])
    expect((await get(`/jobs/${name}/plans/all`)).body['values']).toEqual({ PASSWORD: '******' })
    expect(await givenIn(await launchJob(name))).toBe('of the plan')
    expect(says(await put({ PASSWORD: '******' }, { revision: 2 }))).toEqual([200, undefined])
    await call('PUT', `/jobs/${name}`, { ...job('another of the job'), revision: 1 })
    await call('POST', `/jobs/${name}/sync`, { revision: 2 })
    expect(await givenIn(await launchJob(name))).toBe('of the plan')
    expect(says(await put({}, { revision: 4 }))).toEqual([200, undefined])
    expect(await givenIn(await launchJob(name))).toBe('another of the job')
    expect(says(await put({ PASSWORD: '******' }, { revision: 5 }))).toEqual([400, 'plan_invalid'])
  })

  it('that names a secret keeps it from being removed', async () => {
    const db = await makeSecret('one')
    const name = await makeJob('of the job')
    const named = { values: { PASSWORD: { secret: `${db}@1` } }, revision: 1 }
    expect(says(await call('PUT', `/jobs/${name}/plans/all`, named))).toEqual([200, undefined])
    expect((await get(`/jobs/${name}/plans/all`)).body['values']).toEqual({ PASSWORD: { secret: `${db}@1` } })
    expect(says(await call('DELETE', `/secrets/${db}`))).toEqual([409, 'secret_in_use'])
    const wrong = { values: { PASSWORD: { secret: 'nobody' } }, revision: 2 }
    expect(says(await call('PUT', `/jobs/${name}/plans/all`, wrong))).toEqual([404, 'secret_unknown'])
    await call('PUT', `/jobs/${name}/plans/all`, { values: {}, revision: 2 })
    expect((await call('DELETE', `/secrets/${db}`)).status).toBe(200)
  })
})

describe('a secret that is not there, or not to be given', () => {
  const refusedBy = async (method: string, path: string, body: object) => {
    const refused = await call(method, path, body)
    return [refused.body.code, refused.body.detail]
  }
  const PLACES: [string, (secret: string) => Promise<unknown[]>, string][] = [
    [
      'the variable of a job',
      (secret) => refusedBy('PUT', '/jobs/none', job({ secret })),
      'variable PASSWORD',
    ],
    [
      'a step of a job',
      (named) =>
        refusedBy('PUT', '/jobs/none', {
          steps: [{ name: 'deploy', script: 'true', secrets: { PW: named } }],
        }),
      'step "deploy"',
    ],
    [
      'the own value of a plan',
      async (named) =>
        refusedBy('PUT', `/jobs/${await makeJob()}/plans/more`, { values: { PASSWORD: { secret: named } } }),
      'variable PASSWORD',
    ],
    [
      'a launch',
      async (named) =>
        refusedBy('POST', '/executions', {
          target: '*',
          job: { name: await makeJob(), plan: 'all' },
          variables: { PASSWORD: { secret: named } },
        }),
      'variable PASSWORD',
    ],
    [
      'a step that brings a plan',
      async (named) => {
        const plan = `${await makeJob()}/all@1`
        const step = { name: 'in', type: 'plan', plan, values: { PASSWORD: { secret: named } } }
        return refusedBy('PUT', '/jobs/none', { steps: [step] })
      },
      'step "in": variable PASSWORD of the plan that it brings',
    ],
  ]

  it.each(PLACES)('is told with %s, and what to do', async (_what, refusal, place) => {
    expect(await refusal('nobody')).toEqual([
      'secret_unknown',
      `${place}: there is no secret nobody; see: drover secrets ls, or keep it with: drover secrets set nobody`,
    ])
    const name = await makeSecret('one')
    expect(await refusal(`${name}@2`)).toEqual([
      'secret_version_unknown',
      `${place}: secret ${name} has no version 2; see: drover secrets show ${name}`,
    ])
    await call('POST', `/secrets/${name}/versions/1/disable`)
    expect(await refusal(`${name}@1`)).toEqual([
      'secret_version_refused',
      `${place}: version 1 of secret ${name} is disabled: enable it, or use another version`,
    ])
  })

  it('is told with the plan that a step brings, where that one names it', async () => {
    const db = await makeSecret('one')
    const base = `base-${++count}`
    await call('PUT', `/jobs/${base}`, { steps: [{ name: 'sign', script: 'true', secrets: { PW: db } }] })
    await call('PUT', `/jobs/${base}/plans/all`, {})
    await call('POST', `/secrets/${db}/versions/1/disable`)
    const steps = [{ name: 'in', type: 'plan', plan: `${base}/all@1` }]
    expect(await refusedBy('PUT', '/jobs/none', { steps })).toEqual([
      'secret_version_refused',
      `plan ${base}/all@1: step "sign": no version of secret ${db} is enabled: give it a value with: drover secrets rotate ${db}`,
    ])
  })
})

describe('a map that looks like the name of a secret', () => {
  const map = (value?: unknown) => ({ name: 'M', type: 'map', ...(value === undefined ? {} : { value }) })
  const script = [{ name: 'one', script: 'true' }]

  it('is a map, in definitions, in plans and at launches', async () => {
    const name = `map-${++count}`
    const [first, second, third] = [1, 2, 3].map((n) => ({ secret: `value/${n}` }))
    expect(says(await call('PUT', `/jobs/${name}`, { steps: script, variables: [map(first)] }))).toEqual([
      200,
      undefined,
    ])
    expect(await shown(name)).toEqual(first)
    expect(says(await call('PUT', `/jobs/${name}/plans/all`, { values: { M: second } }))).toEqual([
      200,
      undefined,
    ])
    for (const path of [`/jobs/${name}/plans/all`, `/jobs/${name}/plans/all?revision=1`])
      expect((await get(path)).body['values']).toEqual({ M: second })
    expect((await get(`/jobs/${name}/plans`)).body['items']).toMatchObject([{ values: { M: second } }])
    const initial = async (more: object) =>
      (await get(`/executions/${await launchJob(name, more)}/variables`)).body['items']
    expect(await initial({})).toMatchObject([{ name: 'M', type: 'map', initial: second }])
    expect(await initial({ variables: { M: third } })).toMatchObject([{ initial: third }])
  })

  it('names nothing that is kept of somebody when its variable becomes a secret', async () => {
    await makeJob('of somebody else')
    const { rows } = await api.pool.query<{ name: string }>(
      `select name from secret where own_value order by created_at desc limit 1`,
    )
    const kept = { secret: rows[0]!.name }
    const name = `turned-${++count}`
    await call('PUT', `/jobs/${name}`, { steps: script, variables: [map()] })
    for (const plan of ['synced', 'edited'])
      expect(says(await call('PUT', `/jobs/${name}/plans/${plan}`, { values: { M: kept } }))).toEqual([
        200,
        undefined,
      ])
    const turned = { steps: script, variables: [{ ...secret(), name: 'M' }], revision: 1 }
    expect(says(await call('PUT', `/jobs/${name}`, turned))).toEqual([200, undefined])
    const edit = (value: unknown) =>
      call('PUT', `/jobs/${name}/plans/edited`, { values: { M: value }, revision: 1, jobRevision: 2 })
    for (const value of ['******', kept]) expect(says(await edit(value))).toEqual([400, 'plan_invalid'])
    const synced = await call('POST', `/jobs/${name}/sync`, { revision: 2, plans: ['synced'] })
    expect(synced.body['synced']).toEqual([{ plan: 'synced', dropped: [], droppedValues: ['M'] }])
    const launched = await launch({ job: { name, plan: 'synced' }, variables: { M: kept } })
    expect(says(launched)).toEqual([400, 'plan_invalid'])
    const variables = [{ ...secret(kept), name: 'M' }]
    const adHoc = await launch({ plan: { name: 'x', steps: script, variables } })
    expect(says(adHoc)).toEqual([400, 'request_invalid'])
    const clean = await launch({ job: { name, plan: 'synced' } })
    expect(await givenIn(String(clean.body['id']), 'M')).toBe('nothing')
  })
})

describe('the value of a launch', () => {
  it('counts before all others, is that run’s alone, and is nowhere to be read', async () => {
    const name = await makeJob('of the job')
    const value = `canary-${randomUUID()}`
    const key = randomUUID()
    const body = { job: { name, plan: 'all' }, variables: { PASSWORD: value }, target: 'name:web-1' }
    const launched = await call('POST', '/executions', body, { key })
    const again = await call('POST', '/executions', body, { key })
    expect([launched.status, again.status, again.body['id']]).toEqual([201, 201, launched.body['id']])
    const id = String(launched.body['id'])
    expect(await givenIn(id)).toBe(value)
    expect(await tablesWith(api.pool, value)).toEqual([])
    // Its hash would be as good as the value to who can guess.
    const { rows } = await api.pool.query<{ hex: string }>(
      `select encode(request_sha256, 'hex') as hex from idempotency where key = $1`,
      [key],
    )
    const plain = createHash('sha256')
      .update('POST /api/v1/scopes/default/executions\n')
      .update(JSON.stringify(body))
      .digest('hex')
    expect(rows).toEqual([{ hex: expect.stringMatching(/^[0-9a-f]{64}$/) }])
    expect(rows[0]?.hex).not.toBe(plain)
    const other = await api.principal(`other-${++count}`, api.scopeId, ['operator'])
    expect((await call('POST', '/executions', body, { key, token: other })).body['id']).not.toBe(id)
    expect(await givenIn(await launchJob(name, { variables: { PASSWORD: '******' } }))).toBe('of the job')
  })

  it('is required where the job says so, and may come with a plan of its own', async () => {
    const inline = (variable: object) => ({
      plan: { name: 'p', steps: [{ name: 'one', script: 'true' }], variables: [variable] },
    })
    expect(says(await launch(inline(secret(undefined, { required: true }))))).toEqual([
      400,
      'variable_required',
    ])
    const launched = await launch(inline(secret('inline')))
    expect(await givenIn(String(launched.body['id']))).toBe('inline')
    const without = await launch(inline(secret()))
    expect(await givenIn(String(without.body['id']))).toBe('nothing')
  })

  it('is in a preview’s digest by its version where it has one, and else only as given', async () => {
    const db = await makeSecret('one')
    const name = await makeJob({ secret: db })
    const of = (more: object = {}) => preview({ job: { name, plan: 'all' }, ...more })
    const first = await of()
    expect(first.body['variables']).toEqual([
      { name: 'PASSWORD', in: null, type: 'secret', value: { secret: `${db}@1` } },
    ])
    expect(first.body['steps']).toMatchObject([{ secrets: { PASSWORD: `${db}@1` } }])
    await call('POST', `/secrets/${db}/versions`, { value: 'two' })
    const demanded = { job: { name, plan: 'all' }, digest: first.body['digest'] }
    expect(says(await launch(demanded))).toEqual([409, 'launch_changed'])
    const given = await of({ variables: { PASSWORD: 'typed' } })
    expect(given.text).not.toContain('typed')
    expect(given.body['steps']).toMatchObject([{ secrets: { PASSWORD: '******' } }])
    expect(given.body['digest']).not.toBe((await of()).body['digest'])
    const launched = await launch({
      job: { name, plan: 'all' },
      variables: { PASSWORD: 'typed' },
      digest: given.body['digest'],
    })
    expect(await givenIn(String(launched.body['id']))).toBe('typed')
  })

  it('is that of the run before when it is done again, as it was or edited', async () => {
    const name = await makeJob('of the job')
    const id = await launchJob(name, { variables: { PASSWORD: 'of the run' } })
    const again = (await get(`/executions/${id}/launch`)).body as unknown as {
      secretsOf: string
      plan: { variables: object[]; steps: { secrets?: object }[] }
    }
    expect(again.secretsOf).toBe(id)
    expect(again.plan.variables).toMatchObject([{ name: 'PASSWORD', type: 'secret', value: '******' }])
    expect(again.plan.steps[0]?.secrets).toBeUndefined()
    const redone = await call('POST', '/executions', again)
    expect(await givenIn(String(redone.body['id']))).toBe('of the run')
    const { secretsOf: _run, ...alone } = again
    expect(says(await call('POST', '/executions', alone))).toEqual([400, 'plan_invalid'])
    expect(says(await call('POST', '/executions', { ...again, secretsOf: '999999' }))).toEqual([
      404,
      'execution_unknown',
    ])
    const elsewhere = await api.addScope(`elsewhere-${count}`)
    await api.addHosts(elsewhere, ['web-1'])
    const token = await api.principal(`else-${count}`, elsewhere, ['admin'])
    const foreign = await call('POST', '/executions', again, { scope: `elsewhere-${count}`, token })
    expect(says(foreign)).toEqual([404, 'execution_unknown'])
  })
})

describe('a preview with the values of a run', () => {
  it('tells which versions it had to those who may launch, and to no viewer', async () => {
    const db = await makeSecret('one')
    const name = await makeJob({ secret: db })
    const id = await launchJob(name)
    await call('POST', `/secrets/${db}/versions`, { value: 'two' })
    const variables = [secret('******')]
    const asked = { target: 'name:web-1', secretsOf: id, plan: { name: 'x', variables, steps: job().steps } }
    const by = async (role: 'viewer' | 'operator') =>
      call('POST', '/executions/preview', asked, {
        token: await api.principal(`${role}-${++count}`, api.scopeId, [role]),
      })
    expect((await by('operator')).body['variables']).toMatchObject([{ value: { secret: `${db}@1` } }])
    const refused = await by('viewer')
    expect([...says(refused), refused.body.detail]).toEqual([
      403,
      'permission_denied',
      expect.stringContaining('does not allow execution.launch'),
    ])
    const { secretsOf: _run, ...plain } = { ...asked, plan: { ...asked.plan, variables: [] } }
    const token = await api.principal(`looks-${++count}`, api.scopeId, ['viewer'])
    expect((await call('POST', '/executions/preview', plain, { token })).status).toBe(200)
  })
})

describe('the audit', () => {
  const last = async (action: string) =>
    (
      await api.pool.query<{ detail: object }>(
        'select detail from audit where action = $1 order by seq desc limit 1',
        [action],
      )
    ).rows[0]?.detail

  it('says which secrets a job, a plan and a launch name by variables, and whose values a run takes', async () => {
    const [one, two, three] = [await makeSecret('1'), await makeSecret('2'), await makeSecret('3')]
    const name = await makeJob({ secret: `${one}@1` })
    expect(await last('put-job')).toMatchObject({ variables: ['PASSWORD'], secrets: [`${one}@1`] })
    expect(await last('put-plan')).toMatchObject({ values: [], secrets: [] })
    const own = await call('PUT', `/jobs/${name}/plans/own`, { values: { PASSWORD: { secret: two } } })
    expect(own.status).toBe(200)
    expect(await last('put-plan')).toMatchObject({ values: ['PASSWORD'], secrets: [two] })
    const id = await launchJob(name, { variables: { PASSWORD: { secret: three } } })
    expect(await last('launch-execution')).toMatchObject({
      variables: ['PASSWORD'],
      secrets: [three],
      secretsOf: null,
    })
    const visit = { type: 'plan', name: 'in', plan: `${name}/all@1`, values: { PASSWORD: { secret: two } } }
    const plan = { name: 'p', steps: [visit], variables: [secret({ secret: one })] }
    expect(says(await launch({ plan }))).toEqual([201, undefined])
    expect(await last('launch-execution')).toMatchObject({ secrets: [two, one] })
    const again = (
      await get(`/executions/${await launchJob(name, { variables: { PASSWORD: 'mine' } })}/launch`)
    ).body
    expect(says(await call('POST', '/executions', again))).toEqual([201, undefined])
    const { secretsOf } = again as unknown as { secretsOf: string }
    expect(Number(secretsOf)).toBeGreaterThan(Number(id))
    expect(await last('launch-execution')).toMatchObject({ secrets: [], secretsOf })
  })
})

describe('a value that was given', () => {
  const values = async () =>
    (await api.pool.query<{ n: number }>('select count(*)::int as n from secret where own_value')).rows[0]
      ?.n ?? 0
  const DAY = 86_400_000
  const sweep = () => removeUnheldValues(api.pool, 7 * DAY, 0)

  it('goes when no job, no plan and no run of the last days holds it, and no sooner', async () => {
    await api.pool.query('delete from run_secret')
    await api.pool.query(`delete from job_plan`)
    await api.pool.query(`delete from job`)
    await sweep()
    expect(await values()).toBe(0)
    const name = await makeJob('one')
    expect([await sweep(), await values()]).toEqual([0, 1])
    await call('PUT', `/jobs/${name}`, { ...job('two'), revision: 1 })
    // The plan has the first one still.
    expect([await sweep(), await values()]).toEqual([0, 2])
    const id = await launchJob(name, { variables: { PASSWORD: '******' } })
    await call('POST', `/jobs/${name}/sync`, { revision: 2 })
    expect([await sweep(), await givenIn(id)]).toEqual([0, 'one'])
    await api.pool.query(
      `update execution set state = 'succeeded', ended_at = now() - interval '6 days' where id = $1`,
      [id],
    )
    expect([await sweep(), await givenIn(id)]).toEqual([0, 'one'])
    await api.pool.query(`update execution set ended_at = now() - interval '8 days' where id = $1`, [id])
    expect(await removeUnheldValues(api.pool, 7 * DAY)).toBe(0)
    expect([await sweep(), await givenIn(id), await values()]).toEqual([1, 'nothing', 1])
    const again = (await get(`/executions/${id}/launch`)).body
    const gone = await call('POST', '/executions', again)
    expect([...says(gone), gone.body.detail]).toEqual([
      409,
      'secret_version_refused',
      expect.stringContaining(
        'variable PASSWORD: the value that was given for it is not kept any more: give another',
      ),
    ])
    await call('DELETE', `/jobs/${name}/plans/all`)
    await call('DELETE', `/jobs/${name}`)
    expect([await sweep(), await values()]).toEqual([1, 0])
  })

  it('is not taken from under a launch that has read it', async () => {
    const name = await makeJob('held')
    const tx = await api.pool.connect()
    try {
      await tx.query('begin')
      const { rows } = await tx.query<{ name: string }>('select name from secret where own_value for share')
      expect(rows).toHaveLength(1)
      await api.pool.query('update job_plan set secrets = $1', [[]])
      await api.pool.query('update job set secrets = $1', [[]])
      const sweeping = sweep()
      await new Promise((resolve) => setTimeout(resolve, 300))
      const run = await tx.query<{ id: string }>('select id from execution order by id desc limit 1')
      await tx.query(`update execution set ended_at = null where id = $1`, [run.rows[0]?.id])
      await tx.query('insert into run_secret (scope_id, secret_name, execution_id) values ($1, $2, $3)', [
        api.scopeId,
        rows[0]?.name,
        run.rows[0]?.id,
      ])
      await tx.query('commit')
      expect([await sweeping, await values()]).toEqual([0, 1])
    } finally {
      tx.release()
    }
    expect(name).toBeTruthy()
  })
})
