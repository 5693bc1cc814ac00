/** Targets of steps and host lists by their public face: what may be written, what is frozen, previewed, confirmed and done again. */
import type { Launch } from '../../sdk/index'
import { createDrover, type Drover } from '../../sdk/index'
import { type Answer, type ApiFixture, startApiFixture } from './api-fixture'

let api: ApiFixture
let drover: Drover
let count = 0

const says = (answer: Answer) => [answer.status, answer.body.code]
const put = (path: string, body: unknown) => api.call(path, { method: 'PUT', body })
const post = (path: string, body: unknown) => api.call(path, { method: 'POST', body })
const step = (name: string, target?: string, more: object = {}) => ({
  name,
  script: 'true',
  ...(target === undefined ? {} : { target }),
  ...more,
})
const plan = (steps: object[], variables?: object[]) => ({
  name: 'targets',
  steps,
  ...(variables ? { variables } : {}),
})
const launch = (body: object) => post('/executions', body)
const preview = (body: object) => post('/executions/preview', body)
const WEB = { name: 'WEB', type: 'hostList', value: 'name:web-[1-2]' }

beforeAll(async () => {
  api = await startApiFixture()
  drover = createDrover({ url: api.urls[0], token: api.token })
  await api.addHosts(api.scopeId, ['web-1', 'web-2', 'web-10'], { role: 'web' })
  await api.addHosts(api.scopeId, ['db-1'], { role: 'db' })
}, 120_000)

afterAll(() => api?.close())

/** Names of the hosts of each step, as the ledger has them. */
async function hostsOf(id: unknown): Promise<string[][]> {
  const { steps } = await drover.execution(String(id))
  const all: string[][] = []
  for (const { position } of steps) {
    const names = []
    for await (const { hostName } of drover.executionHosts(String(id), position)) names.push(hostName)
    all.push(names)
  }
  return all
}

describe("a step's own target", () => {
  it('is where the step runs, and the others run where the run does; all of it is frozen', async () => {
    const steps = [
      step('web', 'role=web'),
      step('all'),
      { name: 'pause', type: 'wait', durationMs: 1_000 },
      step('db', 'name:db-1'),
    ]
    const { body } = await launch({ target: 'name:db-1\nname:web-2', plan: plan(steps) })
    expect(body).toMatchObject({ hosts: 4, target: 'name:db-1\nname:web-2' })
    expect(await hostsOf(body['id'])).toEqual([['web-1', 'web-2', 'web-10'], ['db-1', 'web-2'], [], ['db-1']])
    const shown = await drover.execution(String(body['id']))
    expect(shown.steps.map(({ hosts, target }) => [hosts, target])).toEqual([
      [3, 'role=web'],
      [2, null],
      [0, null],
      [1, 'name:db-1'],
    ])
  })

  it('makes the target of the run needless where every step has one, and only there', async () => {
    const own = plan([step('web', 'role=web'), step('db', 'role=db')])
    expect((await launch({ plan: own })).body).toMatchObject({ hosts: 4, target: '' })
    expect(says(await launch({ plan: own, target: 'name:db-1' }))).toEqual([400, 'target_invalid'])
    const some = await launch({ plan: plan([step('web', 'role=web'), step('all')]) })
    expect(says(some)).toEqual([400, 'target_required'])
    expect(some.body.detail).toContain('step 2 "all"')
    expect(says(await launch({ script: { script: 'true' } }))).toEqual([400, 'target_required'])
  })

  it.each<[string, string, unknown[]]>([
    ['of no grammar', 'role in (', [400, 'plan_invalid']],
    ['that names nobody', 'role=none', [409, 'target_empty']],
    ['that names a host that is not there', 'name:web-3', [404, 'host_unknown']],
    ['that names a variable that is not there', '${NONE}', [400, 'plan_invalid']],
  ])('%s refuses the launch, whatever the others say', async (_what, target, answer) => {
    const before = (await drover.executions()[Symbol.asyncIterator]().next()).value?.id
    const refused = await launch({ target: '*', plan: plan([step('all'), step('own', target)]) })
    expect(says(refused)).toEqual(answer)
    expect(refused.body.detail).toContain('step 2 "own"')
    expect((await drover.executions()[Symbol.asyncIterator]().next()).value?.id).toBe(before)
  })

  it('names hosts of the own scope alone', async () => {
    const other = await api.addScope('other')
    const [foreign] = await api.addHosts(other, ['foreign-1'], { role: 'web' })
    const run = await launch({ plan: plan([step('web', 'role=web')]) })
    expect(await hostsOf(run.body['id'])).toEqual([['web-1', 'web-2', 'web-10']])
    expect(says(await launch({ plan: plan([step('web', `id:${foreign}`)]) }))).toEqual([404, 'host_unknown'])
  })

  it('may be the hosts of one step of an earlier run', async () => {
    const first = await launch({ plan: plan([step('web', 'role=web'), step('db', 'role=db')]) })
    const again = await launch({ plan: plan([step('again', `run:${String(first.body['id'])}/2`)]) })
    expect(await hostsOf(again.body['id'])).toEqual([['db-1']])
    expect(
      (await launch({ target: `run:${String(first.body['id'])}`, script: { script: 'true' } })).body,
    ).toMatchObject({ hosts: 4 })
  })

  it('is not for a step that is launched alone', async () => {
    const alone = await launch({ target: '*', script: { script: 'true', target: 'role=web' } })
    expect(says(alone)).toEqual([400, 'request_invalid'])
  })
})

describe('a host list', () => {
  it("is the launch's, else the plan's own, else the job's, and names where steps run", async () => {
    const name = `job-${++count}`
    const DB = { name: 'DB', type: 'hostList' }
    const steps = [step('web', '${WEB}'), step('both', '${WEB}\n${DB}')]
    expect((await put(`/jobs/${name}`, { steps, variables: [WEB, DB] })).status).toBe(200)
    expect((await put(`/jobs/${name}/plans/p`, { values: { DB: 'role=db' } })).status).toBe(200)
    const job = { name, plan: 'p' }
    const run = await launch({ job })
    expect(await hostsOf(run.body['id'])).toEqual([
      ['web-1', 'web-2'],
      ['db-1', 'web-1', 'web-2'],
    ])
    const other = await launch({ job, variables: { WEB: 'name:web-10', DB: '' } })
    expect(await hostsOf(other.body['id'])).toEqual([['web-10'], ['web-10']])
    const none = await launch({ job, variables: { WEB: '' } })
    expect([...says(none), none.body.detail]).toEqual([
      409,
      'target_empty',
      expect.stringContaining('step 1 "web"'),
    ])
  })

  it.each<[string, object[], object[]]>([
    ['of another grammar', [{ ...WEB, value: 'role in (' }], [step('one')]],
    ['of a list', [{ ...WEB, value: ['web-1'] }], [step('one')]],
    ['that scripts may change', [{ ...WEB, changeable: true }], [step('one')]],
    ['in an argument', [WEB], [step('one', undefined, { arguments: ['${WEB}'] })]],
    ['in a condition', [WEB], [step('one', undefined, { when: 'variables.WEB != ""' })]],
    ['where a text is none', [{ name: 'WEB', value: 'x' }], [step('one', '${WEB}')]],
  ])('%s is refused where it is written', async (_what, variables, steps) => {
    expect(says(await put('/jobs/wrong', { steps, variables }))).toEqual([400, 'plan_invalid'])
  })

  it('is refused where the launch gives what is no target', async () => {
    const bad = await preview({ plan: plan([step('one', '${WEB}')], [{ ...WEB, value: 'id:x' }]) })
    expect(says(bad)).toEqual([400, 'plan_invalid'])
  })
})

describe('a preview', () => {
  it('says where each step would run, and its digest holds for exactly that', async () => {
    const body = { target: 'role=db', plan: plan([step('web', '${WEB}'), step('db')], [WEB]) }
    const shown = await preview(body)
    expect(shown.body).toMatchObject({
      hosts: 3,
      nodeset: 'db-1,web-[1-2]',
      steps: [
        { hosts: 2, nodeset: 'web-[1-2]', target: '${WEB}' },
        { hosts: 1, nodeset: 'db-1', target: null },
      ],
    })
    const { digest } = shown.body
    const written = { ...body, plan: plan([step('web', 'name:web-2\nname:web-1'), step('db')]) }
    expect((await preview(written)).body['digest']).toBe(digest)
    const list = { ...WEB, value: 'name:web-2,web-1' }
    expect(
      (await preview({ ...body, plan: plan([step('web', '${WEB}'), step('db')], [list]) })).body['digest'],
    ).toBe(digest)
    const swapped = { ...body, plan: plan([step('web'), step('db', '${WEB}')], [WEB]) }
    expect(says(await launch({ ...swapped, digest }))).toEqual([409, 'launch_changed'])
    expect((await launch({ ...body, digest })).status).toBe(201)
  })

  it('counts the hosts of all steps where many must be confirmed', async () => {
    const many = Array.from({ length: 120 }, (_, n) => `many-${n}`)
    await api.addHosts(api.scopeId, many)
    const body = { plan: plan([step('one', 'name:many-[0-59]'), step('two', 'name:many-[60-119]')]) }
    expect((await preview(body)).body).toMatchObject({ hosts: 120, confirm: 'more than 100' })
    const refused = await launch(body)
    expect([...says(refused), refused.body['details']]).toEqual([
      409,
      'confirmation_required',
      { hosts: 120 },
    ])
    expect((await launch({ ...body, confirm: 120 })).status).toBe(201)
  })
})

describe('a run', () => {
  it('is done again with the targets of its steps, as they were written or on the same hosts', async () => {
    const { body } = await launch({
      target: 'role=db',
      plan: plan([step('web', '${WEB}'), step('db'), step('one', 'name:web-10')], [WEB]),
    })
    const id = String(body['id'])
    const again = await drover.launchAgain(id)
    expect(again).toMatchObject({
      target: 'role=db',
      plan: { steps: [{ target: '${WEB}' }, {}, { target: 'name:web-10' }] },
    })
    const same = await drover.launchAgain(id, { sameHosts: true })
    expect(same).toMatchObject({
      target: `run:${id}/2`,
      plan: { steps: [{ target: `run:${id}/1` }, {}, { target: `run:${id}/3` }] },
    })
    for (const launched of [again, same]) {
      const next = await drover.launch(launched as Launch)
      expect(await hostsOf(next.id)).toEqual([['web-1', 'web-2'], ['db-1'], ['web-10']])
    }
  })
})

describe('hosts of an earlier step', () => {
  const deploy = step('deploy', 'role=web', { onFailure: 'ignore' })

  it('are said in a preview, at most so many, and are none until the step begins', async () => {
    const body = {
      target: 'role=db',
      plan: plan([deploy, step('repair', 'step:deploy:failed'), step('end')]),
    }
    const shown = await preview(body)
    expect(shown.body).toMatchObject({
      hosts: 4,
      steps: [
        { hosts: 3, takes: null },
        { hosts: 3, nodeset: 'web-[1-2,10]', takes: 'failed hosts of step 1', target: 'step:deploy:failed' },
        { hosts: 1, takes: null },
      ],
    })
    const run = await launch({ ...body, digest: shown.body['digest'] })
    expect(await hostsOf(run.body['id'])).toEqual([['web-1', 'web-2', 'web-10'], [], ['db-1']])
    const other = { ...body, plan: plan([deploy, step('repair', 'step:deploy:succeeded'), step('end')]) }
    expect((await preview(other)).body['digest']).not.toBe(shown.body['digest'])
    const again = await drover.launchAgain(String(run.body['id']), { sameHosts: true })
    expect(again.plan.steps[1]).toMatchObject({ target: 'step:deploy:failed' })
    expect((await launch(again)).status).toBe(201)
  })

  it.each<[string, object[]]>([
    ['of a step that comes later', [step('one', 'step:two:failed'), step('two', 'role=db')]],
    ['of the step before the first', [step('one', 'last:failed')]],
    ['beside others', [deploy, step('one', 'last:failed\nrole=db')]],
    ['in a state that is none', [deploy, step('one', 'last:broken')]],
    ['of a wait', [{ name: 'w', type: 'wait', durationMs: 1_000 }, step('one', 'step:w:all')]],
    ['with onEmpty where the hosts are known', [{ ...deploy, onEmpty: 'fail' }]],
  ])('%s are refused where they are written', async (_what, steps) => {
    expect(says(await put('/jobs/wrong', { steps }))).toEqual([400, 'plan_invalid'])
    expect(says(await launch({ plan: plan(steps) }))).toEqual([400, 'plan_invalid'])
  })

  it('are none for a plan that leaves their step out', async () => {
    const name = `job-${++count}`
    const steps = [deploy, step('repair', 'step:deploy:failed')]
    expect((await put(`/jobs/${name}`, { steps })).status).toBe(200)
    expect((await put(`/jobs/${name}/plans/p`, { chosen: ['repair'] })).status).toBe(200)
    const refused = await launch({ job: { name, plan: 'p' } })
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'plan_invalid',
      expect.stringContaining('"deploy" is not the name of an earlier step'),
    ])
  })
})

describe('an import', () => {
  const imports = (...names: string[]) => names.map((name) => `# job_import {{${name}}}`).join('\n')

  it('is previewed, and part of the digest by the names that it brings', async () => {
    const steps = [step('one', 'role=db', { script: `${imports('WEB')}\necho` })]
    const body = { plan: plan(steps, [WEB]) }
    const { body: first } = await preview(body)
    expect(first).toMatchObject({ hosts: 1, steps: [{ imports: ['WEB'], hosts: 1 }] })
    const longer = { plan: plan(steps, [{ ...WEB, value: 'role=web' }]) }
    expect((await preview(longer)).body['digest']).not.toBe(first['digest'])
    const run = await launch({ ...body, digest: first['digest'] })
    const { body: shown } = await api.call(`/executions/${String(run.body['id'])}/variables`)
    expect(shown['items']).toMatchObject([
      {
        name: 'WEB',
        type: 'hostList',
        initial: 'name:web-[1-2]',
        inputs: [{ position: 0, value: 'web-1\nweb-2' }],
      },
    ])
  })

  it('is found in scripts of the library', async () => {
    await post('/scripts', {
      name: 'repairs',
      language: 'python',
      content: `${imports('JOB_LAST_FAIL')}\nprint()`,
    })
    await post('/scripts/repairs/versions/1/publish', { revision: 1 })
    const used = { name: 'two', uses: 'repairs' }
    const shown = await preview({ target: '*', plan: plan([step('one'), used]) })
    expect(shown.body).toMatchObject({ steps: [{ imports: [] }, { imports: ['JOB_LAST_FAIL'] }] })
    expect(says(await preview({ target: '*', plan: plan([used]) }))).toEqual([400, 'plan_invalid'])
    const run = await launch({ target: '*', confirm: 124, plan: plan([step('one'), used]) })
    const again = await drover.launchAgain(String(run.body['id']))
    expect((await launch({ ...again, confirm: 124 })).status).toBe(201)
  })

  it.each([
    ['of nothing that there is', imports('NONE')],
    ['of a variable that is no host list', imports('S')],
    ['of the step before the first', imports('JOB_LAST_ALL')],
  ])('%s is refused where it is written', async (_what, script) => {
    const variables = [WEB, { name: 'S' }]
    expect(
      says(await put('/jobs/wrong', { steps: [step('one', undefined, { script })], variables })),
    ).toEqual([400, 'plan_invalid'])
  })

  it('of more names than a script can be given is refused', async () => {
    const names = Array.from({ length: 800 }, (_, n) => `${'long-'.repeat(20)}${n}`)
    await api.addHosts(api.scopeId, names, { kind: 'long' })
    const script = imports('LONG')
    const refused = await launch({
      target: 'role=db',
      plan: plan(
        [step('one', undefined, { script })],
        [{ name: 'LONG', type: 'hostList', value: 'kind=long' }],
      ),
    })
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'plan_invalid',
      expect.stringMatching(/LONG have \d+ bytes, at most 80000/),
    ])
  }, 60_000)

  it('of an edited script must be one that the step was launched with', async () => {
    const script = `${imports('JOB_LAST_FAIL')}\necho`
    const run = await launch({
      target: 'role=db',
      plan: plan([step('one'), step('two', undefined, { script })]),
    })
    const id = String(run.body['id'])
    const edit = (more: object) => post(`/executions/${id}/operations`, { kind: 'retry', ...more })
    expect(says(await edit({ script: imports('JOB_LAST_ALL'), step: 1 }))).toEqual([400, 'plan_invalid'])
    expect(says(await edit({ script, step: 0 }))).toEqual([400, 'plan_invalid'])
    // It is refused for another reason, or taken: the script is not what is wrong with it.
    expect((await edit({ script, step: 1 })).body.code).not.toBe('plan_invalid')
  })
})
