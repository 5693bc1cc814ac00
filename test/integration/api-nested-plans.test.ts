/** Plans as steps by their public face: what may bring what, who may launch it, and who is told of a change. */
import { type ApiFixture, type Answer, startApiFixture } from './api-fixture'

let api: ApiFixture
let count = 0

const says = (answer: Answer) => [answer.status, answer.body.code]
const put = (path: string, body: unknown) => api.call(path, { method: 'PUT', body })
const post = (path: string, body: unknown) => api.call(path, { method: 'POST', body })
const remove = (path: string) => api.call(path, { method: 'DELETE' })
const script = (name: string, more: object = {}) => ({ name, script: `echo ${name}`, ...more })
const brings = (name: string, plan: string, more: object = {}) => ({ type: 'plan', name, plan, ...more })

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
}, 120_000)

afterAll(() => api?.close())

async function must(answer: Promise<Answer>): Promise<Answer> {
  const came = await answer
  if (came.status >= 300) throw new Error(came.text)
  return came
}

/** A job with a plan `p` of all its steps. */
async function make(steps: object[], variables: object[] = [], values: object = {}): Promise<string> {
  const name = `job-${++count}`
  await must(put(`/jobs/${name}`, { steps, variables }))
  await must(put(`/jobs/${name}/plans/p`, { values }))
  return name
}

async function change(job: string, steps: object[]): Promise<number> {
  const { body } = await api.call(`/jobs/${job}`)
  const changed = await must(put(`/jobs/${job}`, { steps, revision: body['revision'] }))
  await must(post(`/jobs/${job}/sync`, { revision: changed.body['revision'] }))
  return Number((await api.call(`/jobs/${job}/plans/p`)).body['revision'])
}

const launch = (job: string, more: object = {}) =>
  post('/executions', { target: '*', job: { name: job, plan: 'p' }, ...more })

interface StepView {
  name: string
  path: string
  uses: string | null
  in: unknown
}
async function stepsOf(run: Answer): Promise<StepView[]> {
  return (await api.call(`/executions/${String(run.body['id'])}`)).body['steps'] as StepView[]
}

describe('a plan as a step', () => {
  it('is what it was at its revision, until the step names another one', async () => {
    const inner = await make([script('drain'), script('check')])
    const outer = await make([script('first'), brings('prepare', `${inner}/p@1`)])
    const names = async () => (await stepsOf(await must(launch(outer)))).map(({ name }) => name)
    expect(await names()).toEqual(['first', 'prepare/drain', 'prepare/check'])
    expect(await stepsOf(await must(launch(outer)))).toMatchObject([
      { path: '0', in: null },
      { path: '1.0', in: { step: 'prepare', plan: `${inner}/p@1` } },
      { path: '1.1' },
    ])
    expect(await change(inner, [script('other')])).toBe(2)
    expect(await names()).toEqual(['first', 'prepare/drain', 'prepare/check'])
    const stale = [{ plan: `${inner}/p@1`, newest: 2 }]
    for (const path of [`/jobs/${outer}`, `/jobs/${outer}/plans/p`])
      expect((await api.call(path)).body).toMatchObject({ changedPlans: stale })
    expect((await api.call(`/jobs/${outer}/plans/p`)).body).toMatchObject({ needsSync: false })
    const then = await api.call(`/jobs/${inner}/plans/p?revision=1`)
    expect(then.body).toMatchObject({ revision: 1, steps: [{ name: 'drain' }, { name: 'check' }] })
    expect(says(await api.call(`/jobs/${inner}/plans/p?revision=7`))).toEqual([404, 'plan_revision_unknown'])
    await change(outer, [brings('prepare', `${inner}/p@2`)])
    expect(await names()).toEqual(['prepare/other'])
    expect((await api.call(`/jobs/${outer}`)).body).toMatchObject({ changedPlans: [] })
  })

  it('has not changed where only what is said of it has', async () => {
    const inner = await make([script('one')])
    const outer = await make([brings('s', `${inner}/p@1`)])
    await must(put(`/jobs/${inner}/plans/p`, { description: 'of another day', revision: 1 }))
    expect((await api.call(`/jobs/${outer}`)).body).toMatchObject({ changedPlans: [] })
    await must(put(`/jobs/${inner}/plans/p`, { chosen: ['one'], revision: 2 }))
    expect((await api.call(`/jobs/${outer}`)).body).toMatchObject({
      changedPlans: [{ plan: `${inner}/p@1`, newest: 3 }],
    })
  })

  it.each<[string, object[], number, string]>([
    ['without a revision', [brings('s', 'a/p')], 400, 'request_invalid'],
    ['of a job that is not there', [brings('s', 'nothing/p@1')], 404, 'plan_unknown'],
    [
      'with a value of no variable',
      [brings('s', 'base/p@1', { values: { NONE: '' } })],
      400,
      'variable_unknown',
    ],
    ['at a revision that is not there', [brings('s', 'base/p@9')], 404, 'plan_revision_unknown'],
    [
      'that brings a value for a name of every object',
      [brings('s', 'base/p@1', { follows: { constructor: 'X' } })],
      400,
      'variable_unknown',
    ],
  ])('is not kept %s', async (_what, steps, status, code) => {
    await put('/jobs/base', { steps: [script('one')] })
    await put('/jobs/base/plans/p', {})
    expect(says(await put('/jobs/wrong', { steps }))).toEqual([status, code])
    expect((await api.call('/jobs/wrong')).status).toBe(404)
    expect(says(await post('/executions', { target: '*', plan: { name: 'x', steps } }))).toEqual([
      status,
      code,
    ])
  })

  it('is refused in a circle at the save, and at the launch where the rows have one', async () => {
    const a = await make([script('one')])
    const b = await make([brings('in', `${a}/p@1`)])
    const own = await put(`/jobs/${a}`, { steps: [brings('own', `${a}/p@1`)], revision: 1 })
    expect(says(own)).toEqual([400, 'plan_circular'])
    const through = await put(`/jobs/${a}`, { steps: [brings('through', `${b}/p@1`)], revision: 1 })
    expect(says(through)).toEqual([400, 'plan_circular'])
    expect((await api.call(`/jobs/${a}`)).body).toMatchObject({ revision: 1 })
    await api.pool.query('update job_plan_revision set steps = $2 where job_name = $1', [
      a,
      JSON.stringify([brings('in', `${b}/p@1`)]),
    ])
    expect(says(await launch(b))).toEqual([400, 'plan_circular'])
    expect(says(await post('/executions/preview', { target: '*', job: { name: b, plan: 'p' } }))).toEqual([
      400,
      'plan_circular',
    ])
  })

  it('is refused too deep, and with too many steps, however they are multiplied', async () => {
    let last = await make(Array.from({ length: 4 }, (_, n) => script(`s${n}`)))
    const bomb = await make(Array.from({ length: 60 }, (_, n) => brings(`n${n}`, `${last}/p@1`))).catch(
      String,
    )
    expect(bomb).toContain('plan_too_large')
    for (let depth = 1; depth <= 5; depth++) last = await make([brings('in', `${last}/p@1`)])
    expect(await make([brings('in', `${last}/p@1`)]).catch(String)).toContain('plan_too_deep')
    expect((await must(launch(last))).status).toBe(201)
  })

  it('is refused as soon as what was read of them is too much, and nothing more is read', async () => {
    const many = await make(Array.from({ length: 60 }, (_, n) => script(`s${n}`)))
    const gone = 'not-there/p@1'
    for (let n = 0; n < 3; n++)
      await must(put(`/jobs/${many}/plans/p`, { description: `${n}`, revision: n + 1 }))
    const four = [1, 2, 3, 4].map((n) => brings(`n${n}`, `${many}/p@${n}`))
    expect(await make([...four, brings('last', gone)]).catch(String)).toContain('over 200 steps')
    expect(await make([...four.slice(1), brings('last', gone)]).catch(String)).toContain('plan_unknown')

    const wide = await make(Array.from({ length: 5 }, (_, n) => script(`s${n}`)))
    const widen = () =>
      api.pool.query(
        `update job_plan_revision set steps = jsonb_set(steps, '{0,script}', to_jsonb(repeat('x', 17 * 1024 * 1024))) where job_name = $1`,
        [wide],
      )
    await widen()
    await must(put(`/jobs/${wide}/plans/p`, { chosen: ['s1'], revision: 1 }))
    const one = brings('n1', `${wide}/p@1`)
    expect(await make([one, brings('last', gone)]).catch(String)).toContain('plan_unknown')
    await widen()
    const both = [one, brings('n2', `${wide}/p@2`), brings('last', gone)]
    expect(await make(both).catch(String)).toContain('over 32 MiB')
  })

  it('is not removed while something brings it, also by a revision of old', async () => {
    const leaf = await make([script('one')])
    const middle = await make([brings('in', `${leaf}/p@1`)])
    const outer = await make([brings('out', `${middle}/p@1`)])
    const cited = (await api.call(`/jobs/${leaf}/plans/p/citations`)).body['items']
    expect(cited).toEqual([
      { job: middle, plan: null, step: 'in', uses: `${leaf}/p@1` },
      { job: middle, plan: 'p', step: 'in', uses: `${leaf}/p@1` },
    ])
    expect(says(await remove(`/jobs/${leaf}/plans/p`))).toEqual([409, 'plan_in_use'])
    await change(middle, [script('else')])
    expect((await api.call(`/jobs/${leaf}/plans/p/citations`)).body['items']).toEqual([
      { job: middle, plan: 'p@1', step: 'in', uses: `${leaf}/p@1` },
    ])
    expect(says(await remove(`/jobs/${leaf}/plans/p`))).toEqual([409, 'plan_in_use'])
    await change(outer, [brings('out', `${middle}/p@2`)])
    expect((await remove(`/jobs/${leaf}/plans/p`)).status).toBe(200)
    // What is made anew goes on counting: nobody gets another plan by the name of an old one.
    expect((await must(put(`/jobs/${leaf}/plans/p`, {}))).body).toMatchObject({ revision: 2 })
  })

  it('keeps what it uses from being removed, and starts nothing that is disabled', async () => {
    await must(post('/scripts', { name: 'inner', content: 'true', publish: true }))
    const inner = await make([{ name: 'one', uses: 'inner@1' }])
    const outer = await make([brings('s', `${inner}/p@1`)])
    expect((await stepsOf(await must(launch(outer))))[0]).toMatchObject({ uses: 'inner@1' })
    await change(inner, [script('else')])
    const uses = (await api.call('/scripts/inner/citations')).body['items']
    expect(uses).toMatchObject([{ job: inner, plan: 'p@1', step: 'one' }])
    await must(post('/scripts/inner/versions/1/disable', {}))
    expect(says(await remove('/scripts/inner'))).toEqual([409, 'script_in_use'])
    expect(says(await launch(outer))).toEqual([409, 'script_version_refused'])
  })
})

describe('the launch of a plan that brings others', () => {
  it('is previewed step by step, and its digest tells another revision, value and condition', async () => {
    const inner = await make([script('one')], [{ name: 'A', value: 'job' }], { A: 'plan' })
    const digest = async (more: object) => {
      const plan = { name: 'x', steps: [script('first'), brings('s', `${inner}/p@1`, more)] }
      const preview = await must(post('/executions/preview', { target: '*', plan }))
      expect(preview.body).toMatchObject({
        steps: [
          { name: 'first', in: null },
          { name: 's/one', in: { step: 's', plan: `${inner}/p@1` } },
        ],
      })
      return [preview.body['digest'], preview.body['variables']]
    }
    const [plain, variables] = await digest({})
    expect(variables).toEqual([
      { name: 'A', in: { step: 's', plan: `${inner}/p@1` }, type: 'string', value: 'plan' },
    ])
    expect((await digest({}))[0]).toBe(plain)
    for (const more of [{ values: { A: 'x' } }, { when: 'steps.first.failed == 0' }, { onFailure: 'ignore' }])
      expect((await digest(more))[0]).not.toBe(plain)
  })

  it('is done again as it was', async () => {
    const inner = await make([script('one')], [{ name: 'A' }, { name: 'B', changeable: true }], { A: 'plan' })
    const step = brings('s', `${inner}/p@1`, { follows: { B: 'V' }, when: 'true', stepTimeoutMs: 5_000 })
    const body = {
      target: '*',
      plan: {
        name: 'x',
        variables: [{ name: 'V', value: 'v', changeable: true }],
        steps: [step, script('last')],
      },
    }
    const preview = async (launched: unknown) =>
      (await must(post('/executions/preview', launched))).body['digest']
    const run = await must(post('/executions', body))
    const again = (await must(api.call(`/executions/${String(run.body['id'])}/launch`))).body
    expect(again).toMatchObject({
      plan: {
        steps: [
          { ...step, values: { A: 'plan' } },
          { name: 'last', script: 'echo last' },
        ],
      },
    })
    expect(await preview(again)).toBe(await preview(body))
  })
})

describe('who may launch a nested plan', () => {
  it('is who may launch it alone: nesting gives nothing, five deep and through a plan', async () => {
    let last = await make([script('secret work')])
    for (let depth = 1; depth <= 4; depth++) last = await make([brings('in', `${last}/p@1`)])
    const outer = await make([brings('in', `${last}/p@1`)])
    const body = { target: '*', job: { name: outer, plan: 'p' } }
    const inline = { target: '*', plan: { name: 'x', steps: [brings('in', `${outer}/p@1`)] } }
    const ask = (token: string, path: string, sent: object) =>
      api.call(path, { method: 'POST', token, body: sent })
    for (const role of ['viewer', 'approver'] as const) {
      const token = await api.principal(`nest-${role}`, api.scopeId, [role])
      for (const sent of [body, inline])
        expect(says(await ask(token, '/executions', sent))).toEqual([403, 'permission_denied'])
    }
    // The right is looked at when it is launched, not when it was written.
    const writer = await api.principal('nest-writer', api.scopeId, ['operator'])
    expect((await ask(writer, '/executions', body)).status).toBe(201)
    await api.pool.query(
      `update role_grant set role = 'viewer' where principal_id = (select id from principal where name = 'nest-writer')`,
    )
    expect(says(await ask(writer, '/executions', body))).toEqual([403, 'permission_denied'])
  })

  it('finds none of another scope, by name or in rows that name one', async () => {
    const scopeId = await api.addScope('elsewhere')
    const there = await api.principal('both', scopeId, ['admin'])
    await api.pool.query(
      `insert into role_grant (scope_id, principal_id, role) select $1, id, 'operator' from principal where name = 'both'`,
      [api.scopeId],
    )
    const foreign = (path: string, body: object) =>
      must(api.call(path, { method: 'PUT', token: there, scope: 'elsewhere', body }))
    await foreign('/jobs/theirs', { steps: [script('theirs')] })
    await foreign('/jobs/theirs/plans/p', {})
    const body = { steps: [brings('s', 'theirs/p@1')] }
    const kept = await api.call('/jobs/ours', { method: 'PUT', token: there, body })
    expect(says(kept)).toEqual([404, 'plan_unknown'])
    const ours = await make([script('one')])
    await api.pool.query('update job_plan set steps = $2 where job_name = $1', [
      ours,
      JSON.stringify(body.steps),
    ])
    expect(says(await launch(ours))).toEqual([404, 'plan_unknown'])
  })
})
