/** Jobs and their plans by their public face: what is frozen when, who is told of whose change, and what a launch makes of them. */
import { type ApiFixture, type Answer, startApiFixture } from './api-fixture'

let api: ApiFixture
let count = 0

const says = (answer: Answer) => [answer.status, answer.body.code]
const put = (path: string, body: unknown) => api.call(path, { method: 'PUT', body })
const post = (path: string, body: unknown) => api.call(path, { method: 'POST', body })
const steps = (...names: string[]) => names.map((name) => ({ name, script: `echo ${name}` }))

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
  await post('/scripts', { name: 'deploy', content: 'echo 1', publish: true })
  for (const n of [2, 3]) await post('/scripts/deploy/versions', { content: `echo ${n}`, publish: true })
}, 120_000)

afterAll(() => api?.close())

async function make(content: unknown = { steps: steps('stop', 'deploy', 'start') }): Promise<string> {
  const name = `job-${++count}`
  const made = await put(`/jobs/${name}`, content)
  if (made.status !== 200) throw new Error(made.text)
  return name
}

const planSteps = async (job: string, plan: string) => {
  const { body } = await api.call(`/jobs/${job}/plans/${plan}`)
  return (body['steps'] as { name: string }[]).map((step) => step.name)
}

const FOUR_DAYS_MS = 4 * 86_400_000

describe('a job', () => {
  it('is made, shown, listed and replaced by who has seen it', async () => {
    const name = await make({ description: 'all of it', tags: ['site'], steps: steps('one') })
    expect((await api.call(`/jobs/${name}`)).body).toMatchObject({
      name,
      description: 'all of it',
      tags: ['site'],
      stepNames: ['one'],
      revision: 1,
      plans: 0,
      outdated: 0,
      createdBy: 'admin',
    })
    const listed = await api.call('/jobs?tag=site')
    expect(listed.text).not.toContain('echo one')
    expect(listed.body['items']).toMatchObject([{ name }])
    expect(says(await put(`/jobs/${name}`, { steps: steps('two') }))).toEqual([409, 'name_taken'])
    expect((await put(`/jobs/${name}`, { steps: steps('two'), revision: 1 })).body).toMatchObject({
      revision: 2,
      description: '',
    })
    const late = await put(`/jobs/${name}`, { steps: steps('three'), revision: 1 })
    expect([...says(late), late.body['details']]).toMatchObject([
      409,
      'edit_conflict',
      { current: { revision: 2, stepNames: ['two'] } },
    ])
  })

  it.each<[string, unknown, number, string]>([
    ['no step', [], 400, 'request_invalid'],
    ['two steps of one name', steps('a', 'a'), 400, 'request_invalid'],
    ['a script that is not there', [{ name: 'a', uses: 'nothing' }], 404, 'script_unknown'],
    ['a version that is not there', [{ name: 'a', uses: 'deploy@9' }], 404, 'script_version_unknown'],
    [
      'a variable that changes the interpreter',
      [{ ...steps('a')[0], environment: { ENV: 'x' } }],
      400,
      'plan_invalid',
    ],
  ])('is not kept with %s', async (_what, wrong, status, code) => {
    expect(says(await put('/jobs/wrong', { steps: wrong }))).toEqual([status, code])
    expect((await api.call('/jobs/wrong')).status).toBe(404)
  })

  it.each<[string, object, string]>([
    ['no time at all', { timeoutMs: 0 }, 'timeoutMs'],
    ['a time limit of 4 days', { timeoutMs: FOUR_DAYS_MS }, 'timeoutMs'],
    [
      'a time limit of 4 days for SQL',
      { type: 'sql', script: undefined, sql: 'select 1', dbAccount: 'shop', timeoutMs: FOUR_DAYS_MS },
      'timeoutMs',
    ],
    ['a reboot of 4 days', { type: 'reboot', script: undefined, timeoutMs: FOUR_DAYS_MS }, 'timeoutMs'],
    ['a wait of 4 days', { type: 'wait', script: undefined, durationMs: FOUR_DAYS_MS }, 'durationMs'],
    [
      'a plan whose steps have 4 days',
      { type: 'plan', script: undefined, plan: 'x/y@1', stepTimeoutMs: FOUR_DAYS_MS },
      'stepTimeoutMs',
    ],
    ['a step of a long name', { name: 'x'.repeat(10_000) }, 'name'],
  ])('is not kept with %s, and the refusal names the field', async (_what, fields, wrong) => {
    const { status, body } = await put('/jobs/wrong', { steps: [{ ...steps('a')[0], ...fields }] })
    expect([status, body.code]).toEqual([400, 'request_invalid'])
    expect(JSON.stringify(body['details'])).toContain(`steps.0.${wrong}`)
    expect((await api.call('/jobs/wrong')).status).toBe(404)
  })

  it('has a name that fits, and so have its plans', async () => {
    const long = 'x'.repeat(10_000)
    expect(says(await put(`/jobs/${long}`, { steps: steps('a') }))).toEqual([400, 'request_invalid'])
    expect(says(await put(`/jobs/${await make()}/plans/${long}`, {}))).toEqual([400, 'request_invalid'])
  })

  it('is not removed while it has plans', async () => {
    const name = await make()
    await put(`/jobs/${name}/plans/p`, {})
    expect(says(await api.call(`/jobs/${name}`, { method: 'DELETE' }))).toEqual([409, 'job_in_use'])
    expect((await api.call(`/jobs/${name}/plans/p`, { method: 'DELETE' })).status).toBe(200)
    expect((await api.call(`/jobs/${name}`, { method: 'DELETE' })).status).toBe(200)
    expect(says(await api.call(`/jobs/${name}`))).toEqual([404, 'job_unknown'])
  })
})

describe('a plan of a job', () => {
  it('never follows its job by itself: it says so, and is synced', async () => {
    const job = await make()
    await put(`/jobs/${job}/plans/some`, { chosen: ['start', 'stop'] })
    await put(`/jobs/${job}/plans/all`, {})
    await put(`/jobs/${job}`, { steps: steps('check', 'stop', 'deploy'), revision: 1 })
    expect((await api.call(`/jobs/${job}`)).body).toMatchObject({ plans: 2, outdated: 2, revision: 2 })
    expect(await planSteps(job, 'all')).toEqual(['stop', 'deploy', 'start'])
    expect(says(await post(`/jobs/${job}/sync`, { revision: 1 }))).toEqual([409, 'edit_conflict'])
    const one = await post(`/jobs/${job}/sync`, { revision: 2, plans: ['some'] })
    expect(one.body).toEqual({
      synced: [{ plan: 'some', dropped: ['start'], droppedValues: [] }],
      refused: [],
      more: false,
    })
    expect((await api.call(`/jobs/${job}/plans/some`)).body).toMatchObject({
      needsSync: false,
      chosen: ['stop'],
    })
    expect((await api.call(`/jobs/${job}/plans/all`)).body).toMatchObject({ needsSync: true })
    expect((await post(`/jobs/${job}/sync`, { revision: 2 })).body).toMatchObject({
      synced: [{ plan: 'all', dropped: [], droppedValues: [] }],
    })
    expect(await planSteps(job, 'all')).toEqual(['check', 'stop', 'deploy'])
    expect((await post(`/jobs/${job}/sync`, { revision: 2 })).body).toMatchObject({ synced: [] })
    const unknown = await post(`/jobs/${job}/sync`, { revision: 2, plans: ['some', 'nothing'] })
    expect(says(unknown)).toEqual([404, 'plan_unknown'])
    const twice = await post(`/jobs/${job}/sync`, { revision: 2, plans: ['some', 'some'] })
    expect(says(twice)).toEqual([400, 'request_invalid'])
  })

  it('that has none of the steps left keeps what it has', async () => {
    const job = await make()
    await put(`/jobs/${job}/plans/p`, { chosen: ['start'] })
    await put(`/jobs/${job}`, { steps: steps('other'), revision: 1 })
    await put(`/jobs/${job}/plans/all`, { chosen: ['other'] })
    await put(`/jobs/${job}`, { steps: steps('other', 'more'), revision: 2 })
    expect((await post(`/jobs/${job}/sync`, { revision: 3 })).body).toEqual({
      synced: [{ plan: 'all', dropped: [], droppedValues: [] }],
      refused: ['p'],
      more: false,
    })
    expect(await planSteps(job, 'p')).toEqual(['stop', 'deploy', 'start'])
    const choose = { chosen: ['more'], revision: 1 }
    expect(says(await put(`/jobs/${job}/plans/p`, choose))).toEqual([400, 'plan_invalid'])
    expect(says(await put(`/jobs/${job}/plans/p`, { ...choose, jobRevision: 2 }))).toEqual([
      409,
      'edit_conflict',
    ])
    expect((await put(`/jobs/${job}/plans/p`, { ...choose, jobRevision: 3 })).body).toMatchObject({
      chosen: ['more'],
      needsSync: false,
    })
    expect(await planSteps(job, 'p')).toEqual(['other', 'more'])
  })

  it('chooses steps that there are, and is changed by who has seen it', async () => {
    const job = await make()
    expect(says(await put(`/jobs/${job}/plans/p`, { chosen: ['nothing'] }))).toEqual([400, 'plan_invalid'])
    expect(says(await put('/jobs/nothing/plans/p', {}))).toEqual([404, 'job_unknown'])
    expect((await put(`/jobs/${job}/plans/p`, { chosen: ['stop'] })).status).toBe(200)
    expect(says(await put(`/jobs/${job}/plans/p`, {}))).toEqual([409, 'name_taken'])
    expect((await put(`/jobs/${job}/plans/p`, { chosen: ['start'], revision: 1 })).body).toMatchObject({
      chosen: ['start'],
      revision: 2,
    })
    expect(says(await put(`/jobs/${job}/plans/p`, { revision: 1 }))).toEqual([409, 'edit_conflict'])
    expect(says(await put(`/jobs/${job}/plans/q`, { revision: 1 }))).toEqual([404, 'plan_unknown'])
  })

  it('is launched as it was frozen, in the order of the job, and the run says what it is of', async () => {
    const job = await make({
      steps: [...steps('first'), { name: 'second', uses: 'deploy@1' }, { name: 'third', uses: 'deploy' }],
    })
    await put(`/jobs/${job}/plans/p`, { chosen: ['third', 'second'] })
    await put(`/jobs/${job}`, { steps: steps('changed'), revision: 1 })
    const launched = await post('/executions', { target: 'name:web-1', job: { name: job, plan: 'p' } })
    expect([launched.status, launched.body['name']]).toEqual([201, `${job}/p`])
    const shown = await api.call(`/executions/${String(launched.body['id'])}`)
    expect(shown.body).toMatchObject({
      job: { name: job, plan: 'p' },
      steps: [
        { name: 'second', uses: 'deploy@1' },
        { name: 'third', uses: 'deploy@3' },
      ],
    })
  })

  it.each<[string, Record<string, unknown>, number, string]>([
    ['of a job that is not there', { job: { name: 'nothing', plan: 'p' } }, 404, 'job_unknown'],
    [
      'beside a script',
      { job: { name: 'a', plan: 'p' }, script: { script: 'true' } },
      400,
      'request_invalid',
    ],
    ['without its name', { job: { name: 'a' } }, 400, 'request_invalid'],
  ])('is not launched %s', async (_what, body, status, code) => {
    expect(says(await post('/executions', { target: 'name:web-1', ...body }))).toEqual([status, code])
  })
})

describe('the use of a script', () => {
  it('is told and renewed of what takes a step back, too', async () => {
    const script = 'taking-back'
    await post('/scripts', { name: script, content: 'echo 1', publish: true })
    await post(`/scripts/${script}/versions`, { content: 'echo 2', publish: true })
    const job = await make({ steps: [{ name: 'a', script: 'true', undo: { uses: `${script}@1` } }] })
    expect((await api.call(`/scripts/${script}/citations`)).body['items']).toMatchObject([
      { plan: null, step: 'a', uses: `${script}@1`, version: 1 },
    ])
    expect((await post(`/scripts/${script}/sync`, { to: 2 })).body).toMatchObject({
      jobs: [{ job, steps: ['a'] }],
    })
    expect((await api.call(`/jobs/${job}`)).body).toMatchObject({
      steps: [{ name: 'a', script: 'true', undo: { uses: `${script}@2` } }],
    })
  })

  it('is told, keeps the script, and is renewed on demand; plans follow by a sync', async () => {
    const script = 'cited'
    await post('/scripts', { name: script, content: 'echo 1', publish: true })
    const job = await make({
      steps: [
        { name: 'pinned', uses: `${script}@1` },
        { name: 'newest', uses: script },
      ],
    })
    await put(`/jobs/${job}/plans/p`, { chosen: ['pinned'] })
    await post(`/scripts/${script}/versions`, { content: 'echo 2', publish: true })
    const cited = async () =>
      ((await api.call(`/scripts/${script}/citations`)).body['items'] as Record<string, unknown>[]).map(
        ({ plan, step, uses, version, state }) => [plan, step, uses, version, state],
      )
    expect(await cited()).toEqual([
      [null, 'pinned', `${script}@1`, 1, 'offline'],
      [null, 'newest', script, 2, 'online'],
      ['p', 'pinned', `${script}@1`, 1, 'offline'],
      ['p', 'newest', script, 2, 'online'],
    ])
    const remove = () => api.call(`/scripts/${script}/versions/1`, { method: 'DELETE' })
    expect(says(await remove())).toEqual([409, 'script_in_use'])
    expect((await post(`/scripts/${script}/sync`, { to: 2 })).body).toEqual({
      jobs: [{ job, steps: ['pinned'] }],
      more: false,
    })
    expect((await api.call(`/jobs/${job}`)).body).toMatchObject({ revision: 2, outdated: 1 })
    expect(says(await remove())).toEqual([409, 'script_in_use'])
    await post(`/jobs/${job}/sync`, { revision: 2 })
    expect((await remove()).status).toBe(200)
    await api.call(`/scripts/${script}/versions/2/disable`, { method: 'POST' })
    expect(says(await api.call(`/scripts/${script}`, { method: 'DELETE' }))).toEqual([409, 'script_in_use'])
    expect(says(await post('/executions', { target: 'name:web-1', job: { name: job, plan: 'p' } }))).toEqual([
      409,
      'script_version_refused',
    ])
  })

  it('is not renewed to a version that does not run', async () => {
    const job = await make({ steps: [{ name: 'pinned', uses: 'deploy@1' }] })
    await post('/scripts/deploy/versions', { content: 'echo draft' })
    expect(says(await post('/scripts/deploy/sync', { to: 4, jobs: [job] }))).toEqual([
      409,
      'script_version_refused',
    ])
    expect(says(await post('/scripts/deploy/sync', { to: 99 }))).toEqual([404, 'script_version_unknown'])
    expect(says(await post('/scripts/deploy/sync', { to: 3, jobs: ['nothing'] }))).toEqual([
      404,
      'job_unknown',
    ])
  })
})
