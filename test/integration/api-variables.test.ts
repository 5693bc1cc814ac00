/** Variables by their public face: what jobs, plans and launches may say, and what a run is written with. */
import { type ApiFixture, type Answer, startApiFixture } from './api-fixture'

let api: ApiFixture
let count = 0

const says = (answer: Answer) => [answer.status, answer.body.code]
const put = (path: string, body: unknown) => api.call(path, { method: 'PUT', body })
const post = (path: string, body: unknown) => api.call(path, { method: 'POST', body })
const step = (more: object = {}) => ({ name: 'one', script: 'echo "$A"', ...more })
const launch = (body: object) => post('/executions', { target: '*', ...body })

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
}, 120_000)

afterAll(() => api?.close())

async function makePlan(variables: unknown, values: object = {}): Promise<{ name: string; plan: string }> {
  const name = `job-${++count}`
  const made = await put(`/jobs/${name}`, { steps: [step()], variables })
  if (made.status !== 200) throw new Error(made.text)
  const plan = await put(`/jobs/${name}/plans/p`, { values })
  if (plan.status !== 200) throw new Error(plan.text)
  return { name, plan: 'p' }
}

/** The values that a run begins with. */
async function valuesOf(answer: Answer): Promise<Record<string, unknown>> {
  const { body } = await api.call(`/executions/${String(answer.body['id'])}/variables`)
  const items = body['items'] as { name: string; initial: unknown }[]
  return Object.fromEntries(items.map(({ name, initial }) => [name, initial]))
}

describe('a value', () => {
  it("is the launch's, else the plan's own, else the job's", async () => {
    const job = await makePlan(
      [
        { name: 'A', value: 'job' },
        { name: 'B', value: 'job' },
        { name: 'C', value: 'job' },
        { name: 'L', type: 'list' },
        { name: 'M', type: 'map', value: { k: 'v' } },
      ],
      { B: 'plan', C: 'plan' },
    )
    const run = await launch({ job, variables: { C: 'launch', L: ['x', ''] } })
    expect(await valuesOf(run)).toEqual({ A: 'job', B: 'plan', C: 'launch', L: ['x', ''], M: { k: 'v' } })
  })

  it.each<[string, object, unknown[]]>([
    ['of no variable', { NONE: 'x' }, [400, 'variable_unknown']],
    ['of no variable, by a name of every object', { constructor: 'x' }, [400, 'variable_unknown']],
    ['of another type', { A: ['x'], N: '1' }, [400, 'plan_invalid']],
    ['that is too large', { A: '\u{1f600}'.repeat(20_001), N: '1' }, [400, 'plan_invalid']],
    ['of a megabyte', { A: 'x'.repeat(1 << 20), N: '1' }, [400, 'request_invalid']],
    ['with NUL', { A: 'a\0b', N: '1' }, [400, 'text_invalid']],
    ['that is missing', {}, [400, 'variable_required']],
    ['that is empty where one is required', { N: '' }, [400, 'variable_required']],
    ['with half a character', { N: '\ud800' }, [400, 'text_invalid']],
  ])('%s refuses the launch', async (_what, variables, answer) => {
    const job = await makePlan([{ name: 'A' }, { name: 'N', required: true }])
    expect(says(await launch({ job, variables }))).toEqual(answer)
  })

  it('is part of what is previewed: another one is another digest', async () => {
    const job = await makePlan([{ name: 'A', value: 'x' }])
    const preview = async (variables: object) =>
      (await post('/executions/preview', { target: '*', job, variables })).body
    const first = await preview({})
    expect(first['variables']).toEqual([{ name: 'A', in: null, type: 'string', value: 'x' }])
    expect((await preview({ A: 'x' }))['digest']).toBe(first['digest'])
    expect((await preview({ A: 'y' }))['digest']).not.toBe(first['digest'])
    const changed = await launch({ job, variables: { A: 'y' }, digest: first['digest'] })
    expect(says(changed)).toEqual([409, 'launch_changed'])
  })

  it('is there again when a run is done again', async () => {
    const job = await makePlan([{ name: 'A', value: 'x', changeable: true, onDisagreement: 'fail' }])
    const run = await launch({ job, variables: { A: 'y' } })
    const { body } = await api.call(`/executions/${String(run.body['id'])}/launch`)
    expect(body['plan']).toMatchObject({
      variables: [{ name: 'A', value: 'y', changeable: true, onDisagreement: 'fail' }],
    })
    const again = await launch(body)
    expect([again.status, await valuesOf(again)]).toEqual([201, { A: 'y' }])
  })

  it('is not in the audit, its name is', async () => {
    const job = await makePlan([{ name: 'A' }])
    await launch({ job, variables: { A: 'a value of its own kind' } })
    const audit = await api.pool.query<{ text: string }>('select detail::text as text from audit')
    const texts = audit.rows.map(({ text }) => text).join('\n')
    expect(texts).not.toContain('a value of its own kind')
    expect(texts).toContain('"variables": ["A"]')
  })
})

describe('a definition', () => {
  it.each<[string, unknown, string]>([
    ...['PATH', 'IFS', 'LD_PRELOAD', 'BASH_ENV', 'BASH_FUNC_x%%', 'DROVER_X', 'a-b', '1a', ''].map(
      (name): [string, unknown, string] => [
        `the name ${JSON.stringify(name)}`,
        [{ name }],
        'request_invalid',
      ],
    ),
    ['a value of another type', [{ name: 'A', type: 'list', value: 'x' }], 'plan_invalid'],
    ['an empty key', [{ name: 'A', type: 'map', value: { '': 'x' } }], 'plan_invalid'],
    ['one name twice', [{ name: 'A' }, { name: 'A' }], 'request_invalid'],
    ['a name of 10,000 characters', [{ name: 'A'.repeat(10_000) }], 'request_invalid'],
    ['a value of a megabyte', [{ name: 'A', value: 'x'.repeat(1 << 20) }], 'request_invalid'],
    ['NUL in a list', [{ name: 'A', type: 'list', value: ['a', 'b\0c'] }], 'text_invalid'],
    ['NUL in a key', [{ name: 'A', type: 'map', value: { 'a\0': 'b' } }], 'text_invalid'],
    ['65 of them', Array.from({ length: 65 }, (_, n) => ({ name: `A${n}` })), 'request_invalid'],
  ])('with %s is not kept', async (_what, variables, code) => {
    expect(says(await put('/jobs/wrong', { steps: [step()], variables }))).toEqual([400, code])
  })

  it.each([
    ['an argument', { arguments: ['${NONE}'] }],
    ['the folder', { workingDirectory: '/srv/${NONE}' }],
    ['the account', { account: '${NONE}' }],
    ['the time limit', { timeoutMs: '${NONE}' }],
    ['an argument, by one that is no string', { arguments: ['${L}'] }],
    ['a condition', { when: 'variables.NONE == ""' }],
  ])('must be there for what %s refers to', async (_what, fields) => {
    const variables = [{ name: 'A' }, { name: 'L', type: 'list' }]
    const answer = await put('/jobs/wrong', { steps: [step(fields)], variables })
    expect(says(answer)).toEqual([400, 'plan_invalid'])
    const good = {
      arguments: ['${A} $${NONE}'],
      workingDirectory: '${A}',
      account: '${A}',
      timeoutMs: '${A}',
    }
    expect((await put(`/jobs/job-${++count}`, { steps: [step(good)], variables })).status).toBe(200)
  })

  it('leaves `${…}` alone where there are no variables at all', async () => {
    const plan = { name: 'p', steps: [step({ arguments: ['${HOME}'] })] }
    expect((await launch({ plan })).status).toBe(201)
    expect(says(await launch({ plan: { ...plan, variables: [{ name: 'A' }] } }))).toEqual([
      400,
      'plan_invalid',
    ])
  })
})

describe('a plan', () => {
  it('keeps its variables as they were, and says so, until it is synced; its own values stay that fit', async () => {
    const { name } = await makePlan([{ name: 'A', value: '1' }, { name: 'B' }, { name: 'C' }], {
      A: 'mine',
      B: 'mine',
      C: 'mine',
    })
    const variables = [
      { name: 'A', value: '2' },
      { name: 'B', type: 'list' },
      { name: 'D', value: 'new' },
    ]
    const changed = await put(`/jobs/${name}`, { steps: [step()], variables, revision: 1 })
    expect(changed.body).toMatchObject({ outdated: 1 })
    const before = await launch({ job: { name, plan: 'p' } })
    expect(await valuesOf(before)).toEqual({ A: 'mine', B: 'mine', C: 'mine' })
    const synced = await post(`/jobs/${name}/sync`, { revision: 2 })
    expect(synced.body['synced']).toEqual([{ plan: 'p', dropped: [], droppedValues: ['B', 'C'] }])
    expect((await api.call(`/jobs/${name}/plans/p`)).body).toMatchObject({
      needsSync: false,
      values: { A: 'mine' },
    })
    expect(await valuesOf(await launch({ job: { name, plan: 'p' } }))).toEqual({ A: 'mine', B: [], D: 'new' })
  })

  it.each<[string, object, string]>([
    ['a value of no variable', { NONE: 'x' }, 'variable_unknown'],
    ['a value of another type', { A: { k: 'v' } }, 'plan_invalid'],
  ])('is not kept with %s', async (_what, values, code) => {
    const { name } = await makePlan([{ name: 'A', required: true }])
    expect(says(await put(`/jobs/${name}/plans/q`, { values }))).toEqual([400, code])
  })
})
