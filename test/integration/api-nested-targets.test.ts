/** Nested plans whose steps have hosts of their own and are taken back: what is frozen, previewed, digested, done again, and refused. */
import { createDrover, type Drover } from '../../sdk/index'
import { type Answer, type ApiFixture, startApiFixture } from './api-fixture'

let api: ApiFixture
let drover: Drover
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  drover = createDrover({ url: api.urls[0], token: api.token })
  await api.addHosts(api.scopeId, ['web-1', 'web-2', 'web-3'])
}, 120_000)

afterAll(() => api?.close())

const call = (method: string, path: string, body?: unknown) => api.call(path, { method, body })
const says = (answer: Answer) => [answer.status, answer.body.code]
const script = (name: string, more: object = {}) => ({ name, script: 'true', ...more })
const brings = (name: string, plan: string, more: object = {}) => ({ type: 'plan', name, plan, ...more })
const WEB = { name: 'WEB', type: 'hostList', value: 'name:web-3' }

async function must(answer: Promise<Answer>): Promise<Answer> {
  const came = await answer
  if (came.status >= 300) throw new Error(came.text)
  return came
}

/** @returns how a step names the plan */
async function make(steps: object[], variables: object[] = []): Promise<string> {
  const name = `job-${++count}`
  await must(call('PUT', `/jobs/${name}`, { steps, variables }))
  await must(call('PUT', `/jobs/${name}/plans/p`, {}))
  return `${name}/p@1`
}

const planOf = (steps: object[], variables: object[] = []) => ({ name: 'x', steps, variables })
const launch = (body: object) => call('POST', '/executions', body)
const preview = (body: object) => call('POST', '/executions/preview', body)

/** Names of the hosts of each step, as the ledger has them. */
async function hostsOf(id: unknown): Promise<[string, string[]][]> {
  const { steps } = await drover.execution(String(id))
  const all: [string, string[]][] = []
  for (const { position, name } of steps) {
    const names = []
    for await (const { hostName } of drover.executionHosts(String(id), position)) names.push(hostName)
    all.push([name, names])
  }
  return all
}

describe('hosts of the steps of a nested plan', () => {
  it('are their own, by lists of the plan that may follow one around it; all are frozen, previewed and digested', async () => {
    const inner = await make(
      [
        script('list', { target: '${WEB}', script: '# job_import {{WEB}}\ntrue' }),
        script('named', { target: 'name:web-1' }),
        script('run'),
        script('taken', { target: 'last:failed' }),
      ],
      [WEB],
    )
    const mine = { name: 'MINE', type: 'hostList', value: 'name:web-[1-2]' }
    const of = (value: string) => ({
      target: 'name:web-2',
      plan: planOf(
        [
          brings('own', inner),
          brings('same', inner, { follows: { WEB: 'MINE' } }),
          brings('said', inner, { values: { WEB: 'name:web-2' } }),
        ],
        [{ ...mine, value }],
      ),
    })
    const shown = await must(preview(of('name:web-[1-2]')))
    const each = (name: string, nodeset: string, hosts: number) => [
      { name: `${name}/list`, nodeset, hosts, imports: ['WEB'], in: { step: name, plan: inner } },
      { name: `${name}/named`, nodeset: 'web-1', hosts: 1 },
      { name: `${name}/run`, nodeset: 'web-2', hosts: 1, target: null },
      { name: `${name}/taken`, nodeset: 'web-2', hosts: 1 },
    ]
    expect(shown.body['steps']).toMatchObject([
      ...each('own', 'web-3', 1),
      ...each('same', 'web-[1-2]', 2),
      ...each('said', 'web-2', 1),
    ])
    expect(
      (shown.body['steps'] as { takes: string | null }[]).map(({ takes }) => takes).filter(Boolean),
    ).toEqual(['failed hosts of step 3', 'failed hosts of step 7', 'failed hosts of step 11'])
    expect((await must(preview(of('name:web-1\nname:web-2')))).body['digest']).toBe(shown.body['digest'])
    expect((await must(preview(of('name:web-1')))).body['digest']).not.toBe(shown.body['digest'])
    const run = await must(launch({ ...of('name:web-[1-2]'), digest: shown.body['digest'] }))
    const steps = (name: string, list: string[]): [string, string[]][] => [
      [`${name}/list`, list],
      [`${name}/named`, ['web-1']],
      [`${name}/run`, ['web-2']],
      [`${name}/taken`, []],
    ]
    expect(await hostsOf(run.body['id'])).toEqual([
      ...steps('own', ['web-3']),
      ...steps('same', ['web-1', 'web-2']),
      ...steps('said', ['web-2']),
    ])
    // Lists of one name in three visits: each script imports its own.
    const { rows } = await api.pool.query<{ names: string }>(
      `select convert_from(i.items[1], 'UTF8') as names from step_input i
       join step_execution s on s.scope_id = i.scope_id and s.id = i.step_execution_id
       where i.execution_id = $1 and i.name = 'WEB' order by s.position`,
      [run.body['id']],
    )
    expect(rows.map(({ names }) => names)).toEqual(['web-3', 'web-1\nweb-2', 'web-2'])
  })

  it('make the target of the run needless where all have them, and only there', async () => {
    const all = await make([script('one', { target: 'name:web-1' })])
    expect(says(await launch({ plan: planOf([brings('in', all)]) }))).toEqual([201, undefined])
    const some = await make([script('one', { target: 'name:web-1' }), script('two')])
    const refused = await launch({ plan: planOf([brings('in', some)]) })
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'target_required',
      expect.stringContaining('step 2 "in/two"'),
    ])
    const nobody = await make([script('one', { target: 'name:nobody' })])
    const empty = await launch({ plan: planOf([brings('in', nobody)]) })
    expect(empty.body.detail).toContain('step 1 "in/one"')
  })

  it('are not taken by steps around it, which is refused when it is written', async () => {
    const inner = await make([script('one')])
    for (const more of [{ target: 'last:failed' }, { target: 'step:in:all' }]) {
      const refused = await call('PUT', '/jobs/wrong', { steps: [brings('in', inner), script('out', more)] })
      expect([...says(refused), refused.body.detail]).toEqual([
        400,
        'plan_invalid',
        expect.stringContaining('the step "in" brings a plan'),
      ])
    }
    const target = { steps: [brings('in', inner, { target: 'name:web-1' })] }
    expect(says(await call('PUT', '/jobs/wrong', target))).toEqual([400, 'request_invalid'])
  })

  it('are the same when the run is done again on its hosts, which is refused where the plan names them', async () => {
    const plain = await make([script('one'), script('two')])
    const body = {
      target: 'name:web-2',
      plan: planOf([brings('in', plain), script('last', { target: 'name:web-1' })]),
    }
    const id = String((await must(launch(body))).body['id'])
    const again = (await must(call('GET', `/executions/${id}/launch?sameHosts=true`))).body
    expect(again).toMatchObject({
      target: `run:${id}/1`,
      plan: { steps: [{ type: 'plan' }, { target: `run:${id}/3` }] },
    })
    expect(await hostsOf((await must(launch(again))).body['id'])).toEqual(await hostsOf(id))
    const named = await make([script('one', { target: 'name:web-1' })])
    const other = await must(launch({ plan: planOf([brings('in', named)]) }))
    const path = `/executions/${String(other.body['id'])}/launch`
    const refused = await call('GET', `${path}?sameHosts=true`)
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'plan_invalid',
      expect.stringContaining('"in/one" of a nested plan has a target of its own'),
    ])
    const asWritten = (await must(call('GET', path))).body
    expect(await hostsOf((await must(launch(asWritten))).body['id'])).toEqual([['in/one', ['web-1']]])
  })

  it('are imported by public scripts, too, from the first launch on', async () => {
    await must(
      call('POST', '/public-scripts', {
        name: 'importing',
        content: '# job_import {{WEB}}\ntrue',
        publish: true,
      }),
    )
    const inner = await make([{ name: 'one', uses: 'public/importing' }], [WEB])
    const shown = await must(preview({ target: '*', plan: planOf([brings('in', inner)]) }))
    expect(shown.body['steps']).toMatchObject([{ imports: ['WEB'], uses: 'public/importing@1' }])
    const refused = await call('PUT', '/jobs/wrong', { steps: [{ name: 'one', uses: 'public/importing' }] })
    expect([...says(refused), refused.body.detail]).toEqual([
      400,
      'plan_invalid',
      expect.stringContaining('imports WEB'),
    ])
  })
})

describe('what takes steps of a nested plan back', () => {
  const undo = { uses: 'back' }

  it('stands behind all steps, newest first, is done again with its plan, and cites what it uses', async () => {
    await must(call('POST', '/scripts', { name: 'back', content: 'echo back', publish: true }))
    const inner = await make([script('one', { undo }), script('two', { undo: { script: 'echo two' } })])
    const body = {
      target: '*',
      plan: planOf([script('first', { undo }), brings('in', inner), script('last')]),
    }
    const shown = await must(preview(body))
    expect(
      (shown.body['steps'] as { name: string; undoes: number | null }[]).map(({ name, undoes }) => [
        name,
        undoes,
      ]),
    ).toEqual([
      ['first', null],
      ['in/one', null],
      ['in/two', null],
      ['last', null],
      ['in/undo of two', 2],
      ['in/undo of one', 1],
      ['undo of first', 0],
    ])
    const id = String((await must(launch(body))).body['id'])
    expect((await must(call('GET', `/executions/${id}/undo`))).body['steps']).toMatchObject([
      { name: 'in/undo of two', undoes: 2 },
      { name: 'in/undo of one', undoes: 1, uses: 'back@1' },
      { name: 'undo of first', undoes: 0, uses: 'back@1' },
    ])
    const again = (await must(call('GET', `/executions/${id}/launch`))).body
    expect(again['plan']).toMatchObject({
      steps: [{ undo: { uses: 'back@1' } }, { type: 'plan', plan: inner }, { name: 'last' }],
    })
    const [job = ''] = inner.split('/')
    expect((await must(call('GET', '/scripts/back/citations'))).body['items']).toEqual([
      { job, plan: null, step: 'one', uses: 'back', version: 1, state: 'online' },
      { job, plan: 'p', step: 'one', uses: 'back', version: 1, state: 'online' },
    ])
  })

  it('is said by each step: the one that brings the plan says none', async () => {
    const inner = await make([script('one')])
    const steps = [brings('in', inner, { undo: { script: 'true' } })]
    expect(says(await call('PUT', '/jobs/wrong', { steps }))).toEqual([400, 'request_invalid'])
  })
})
