/** The script library by its public face: versions and their states, conflicts, and what a launch makes of them. */
import type { ExecutionId } from '../../domain/id'
import { holdScripts } from '../../store/postgres/script-uses'
import { type ApiFixture, type Answer, startApiFixture } from './api-fixture'

let api: ApiFixture
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
}, 120_000)

afterAll(() => api?.close())

const post = (path: string, body?: unknown) =>
  api.call(path, { method: 'POST', body: body ?? (path.endsWith('/publish') ? {} : undefined) })
const says = (answer: Answer) => [answer.status, answer.body.code]

async function make(fields: Record<string, unknown> = {}): Promise<string> {
  const name = `script-${++count}`
  const made = await post('/scripts', { name, content: 'echo 1', ...fields })
  expect(made.status).toBe(201)
  return name
}

const states = async (name: string) => {
  const { items } = (await api.call(`/scripts/${name}/versions`)).body as unknown as {
    items: { version: number; state: string }[]
  }
  return items.map(({ version, state }) => `${version} ${state}`)
}

describe('a script of the library', () => {
  it('begins with a draft, and keeps who made it', async () => {
    const name = await make({ description: 'puts it there', tags: ['web', 'nightly'], language: 'python' })
    expect((await api.call(`/scripts/${name}`)).body).toMatchObject({
      name,
      language: 'python',
      description: 'puts it there',
      tags: ['web', 'nightly'],
      online: null,
      latest: 1,
      createdBy: 'admin',
    })
    const version = (await api.call(`/scripts/${name}/versions/1`)).body
    expect(version).toMatchObject({ state: 'draft', content: 'echo 1', bytes: 6, revision: 1 })
  })

  it('has one version online at most; the former one goes offline and can come back', async () => {
    const name = await make({ publish: true })
    await post(`/scripts/${name}/versions`, { content: 'echo 2', note: 'louder', publish: true })
    await post(`/scripts/${name}/versions`, { copyOf: 1 })
    expect(await states(name)).toEqual(['3 draft', '2 online', '1 offline'])
    expect((await post(`/scripts/${name}/versions/1/publish`)).status).toBe(200)
    expect(await states(name)).toEqual(['3 draft', '2 offline', '1 online'])
    expect((await api.call(`/scripts/${name}`)).body).toMatchObject({ online: 1, latest: 3 })
    expect((await api.call(`/scripts/${name}/versions/3`)).body['content']).toBe('echo 1')
  })

  it('has one version online when many are published at once', async () => {
    const name = await make()
    for (let n = 0; n < 7; n++) await post(`/scripts/${name}/versions`, { content: `echo ${n}` })
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => post(`/scripts/${name}/versions/${n + 1}/publish`)),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 8 }, () => 200))
    expect((await states(name)).filter((state) => state.endsWith('online'))).toHaveLength(1)
  })

  it('gives every version a number of its own, also when many come at once, and none twice', async () => {
    const name = await make()
    await Promise.all(Array.from({ length: 8 }, () => post(`/scripts/${name}/versions`, { content: 'x' })))
    expect((await states(name)).length).toBe(9)
    await api.call(`/scripts/${name}/versions/9`, { method: 'DELETE' })
    expect((await post(`/scripts/${name}/versions`, { content: 'x' })).body['version']).toBe(10)
  })

  it('refuses a change that its state does not allow, and says what to do', async () => {
    const name = await make({ publish: true })
    const version = `/scripts/${name}/versions/1`
    const edit = { method: 'PUT', body: { content: 'echo other', revision: 2 } }
    for (const [path, call, advice] of [
      [version, edit, /make a new version/],
      [version, { method: 'DELETE' }, /publish another/],
      [`${version}/publish`, { method: 'POST', body: {} }, /is online/],
      [`/scripts/${name}`, { method: 'DELETE' }, /disable it first/],
    ] as const) {
      const answer = await api.call(path, call)
      expect([...says(answer), answer.body.detail]).toEqual([
        409,
        'script_version_refused',
        expect.stringMatching(advice),
      ])
    }
    expect((await post(`${version}/disable`)).body['state']).toBe('disabled')
    for (const change of ['publish', 'disable'])
      expect(says(await post(`${version}/${change}`))).toEqual([409, 'script_version_refused'])
    expect((await api.call(`/scripts/${name}`, { method: 'DELETE' })).status).toBe(200)
    expect(says(await api.call(version))).toEqual([404, 'script_unknown'])
  })

  it('that was removed never comes to mean another text: its numbers go on', async () => {
    const name = await make()
    const draft = await api.call(`/scripts/${name}/versions/1`)
    expect((await api.call(`/scripts/${name}`, { method: 'DELETE' })).status).toBe(200)
    expect(says(await api.call(`/scripts/${name}`, { method: 'DELETE' }))).toEqual([404, 'script_unknown'])
    const again = await post('/scripts', { name, content: 'echo anew', language: 'sh', publish: true })
    expect([again.status, again.body]).toMatchObject([201, { language: 'sh', online: 2, latest: 2 }])
    expect(says(await api.call(`/scripts/${name}/versions/1`))).toEqual([404, 'script_version_unknown'])
    const late = { method: 'PUT', body: { content: 'echo late', revision: draft.body['revision'] } }
    expect(says(await api.call(`/scripts/${name}/versions/1`, late))).toEqual([404, 'script_version_unknown'])
  })

  it('puts only the text online that was reviewed', async () => {
    const name = await make()
    const version = `/scripts/${name}/versions/1`
    await api.call(version, { method: 'PUT', body: { content: 'echo unseen', revision: 1 } })
    expect(says(await post(`${version}/publish`, { revision: 1 }))).toEqual([409, 'edit_conflict'])
    expect((await post(`${version}/publish`, { revision: 2 })).body).toMatchObject({ state: 'online' })
  })

  it('is not overwritten by who has not seen what is there: 409 with what is there now', async () => {
    const name = await make()
    const version = `/scripts/${name}/versions/1`
    const edit = (content: string, revision: number) =>
      api.call(version, { method: 'PUT', body: { content, revision } })
    expect((await edit('echo alice', 1)).body).toMatchObject({ bytes: 10, revision: 2 })
    const late = await edit('echo bob', 1)
    expect(says(late)).toEqual([409, 'edit_conflict'])
    expect(late.body['details']).toMatchObject({ current: { content: 'echo alice', revision: 2 } })
    expect((await api.call(version)).body['content']).toBe('echo alice')
    const change = (revision: number) =>
      api.call(`/scripts/${name}`, { method: 'PATCH', body: { tags: ['a'], revision } })
    expect((await change(1)).body).toMatchObject({ tags: ['a'], revision: 2 })
    expect(says(await change(1))).toEqual([409, 'edit_conflict'])
  })

  it('is found by part of its name, its tag, its language and what is in its newest text', async () => {
    const name = await make({ content: 'systemctl restart unusual', tags: ['rare'], language: 'sh' })
    const find = async (query: string) =>
      ((await api.call(`/scripts?${query}`)).body as unknown as { items: { name: string }[] }).items.map(
        (script) => script.name,
      )
    expect(await find('text=restart%20unusual')).toEqual([name])
    expect(await find('tag=rare')).toEqual([name])
    expect(await find(`language=sh&name=${name.toUpperCase()}`)).toEqual([name])
    await post(`/scripts/${name}/versions`, { content: 'true' })
    expect(await find('text=restart%20unusual')).toEqual([])
    expect(await find('name=%25')).toEqual([])
  })

  it.each<[string, Record<string, unknown>, number, string]>([
    ['a name that no step could use', { name: 'a b' }, 400, 'request_invalid'],
    ['a name of 10,000 characters', { name: 'a'.repeat(10_000) }, 400, 'request_invalid'],
    ['a script of more than 1 MiB', { content: 'x'.repeat(1_048_577) }, 413, 'script_too_large'],
    ['an empty script', { content: '' }, 400, 'request_invalid'],
    ['NUL in a script', { content: 'a\0b' }, 400, 'text_invalid'],
    ['a language that is none', { language: 'cobol' }, 400, 'request_invalid'],
    ['a tag twice', { tags: ['a', 'a'] }, 400, 'request_invalid'],
  ])('is not made of %s', async (_what, fields, status, code) => {
    const answer = await post('/scripts', { name: 'bad', content: 'true', ...fields })
    expect(says(answer)).toEqual([status, code])
    expect((await api.call('/scripts/bad')).status).toBe(404)
  })

  it('has a name that nobody else has', async () => {
    const name = await make()
    expect(says(await post('/scripts', { name, content: 'true' }))).toEqual([409, 'name_taken'])
  })
})

describe('a step that uses one', () => {
  const launch = (step: Record<string, unknown>) =>
    post('/executions', { target: 'name:web-1', script: step })
  const stepOf = async (launched: Answer) => {
    const { steps } = (await api.call(`/executions/${String(launched.body['id'])}`)).body as unknown as {
      steps: { name: string; uses: string | null }[]
    }
    return steps[0]
  }

  it('gets the version that is online at the launch, or the one that it names', async () => {
    const name = await make({ publish: true, language: 'python' })
    const first = await launch({ uses: name })
    await post(`/scripts/${name}/versions`, { content: 'echo 2', publish: true })
    const second = await launch({ uses: name })
    const named = await launch({ uses: `${name}@1`, name: 'the old one' })
    expect([await stepOf(first), await stepOf(second), await stepOf(named)]).toMatchObject([
      { name, uses: `${name}@1` },
      { name, uses: `${name}@2` },
      { name: 'the old one', uses: `${name}@1` },
    ])
    const plan = await api.pool.query<{ step: { language: string; scriptBytes: number } }>(
      `select p.body->'steps'->0 as step from execution e join plan_ir p on p.hash = e.plan_hash where e.id = $1`,
      [second.body['id']],
    )
    expect(plan.rows[0]?.step).toMatchObject({ language: 'python', scriptBytes: 6 })
  })

  it('does not start what is a draft, disabled, unknown, or not online', async () => {
    const name = await make()
    const refused = async (uses: string) => says(await launch({ uses }))
    expect(await refused(name)).toEqual([409, 'script_version_refused'])
    expect(await refused(`${name}@1`)).toEqual([409, 'script_version_refused'])
    expect(await refused(`${name}@2`)).toEqual([404, 'script_version_unknown'])
    expect(await refused('nothing')).toEqual([404, 'script_unknown'])
    await post(`/scripts/${name}/versions/1/publish`)
    expect((await launch({ uses: name })).status).toBe(201)
    await post(`/scripts/${name}/versions/1/disable`)
    expect(await refused(name)).toEqual([409, 'script_version_refused'])
    expect(await refused(`${name}@1`)).toEqual([409, 'script_version_refused'])
  })

  it('is not taken up again when what it still has to run was disabled', async () => {
    const name = await make({ publish: true })
    const launched = await post('/executions', {
      target: 'name:web-1',
      plan: {
        name: 'two',
        steps: [
          { name: 'first', script: 'true' },
          { name: 'second', uses: name },
        ],
      },
    })
    const id = String(launched.body['id']) as ExecutionId
    await api.pool.query(`update execution set state = 'failed' where id = $1`, [id])
    await api.pool.query(
      `update step_execution set state = case position when 0 then 'failed' else 'pending' end where execution_id = $1`,
      [id],
    )
    await post(`/scripts/${name}/versions/1/disable`)
    const operate = (body: unknown) => post(`/executions/${id}/operations`, body)
    const refused = await operate({ kind: 'retry' })
    expect([...says(refused), refused.body.detail]).toEqual([
      409,
      'operation_refused',
      expect.stringContaining(`${name}@1 was disabled`),
    ])
    const skipped = await operate({ kind: 'skip', step: 0 })
    expect([...says(skipped), skipped.body.detail]).toEqual([
      409,
      'operation_refused',
      expect.stringContaining(`${name}@1 was disabled`),
    ])
    expect((await operate({ kind: 'skip', step: 1 })).body.detail ?? '').not.toContain('disabled')
  })

  it('is not started anew by a retry of a step whose failure was ignored', async () => {
    const name = await make({ publish: true })
    const launched = await launch({ uses: name, onFailure: 'ignore' })
    const id = String(launched.body['id'])
    await api.pool.query(`update host_result set state = 'failed' where execution_id = $1`, [id])
    await api.pool.query(`update step_execution set state = 'ignored' where execution_id = $1`, [id])
    await api.pool.query(`update execution set state = 'succeeded' where id = $1`, [id])
    await post(`/scripts/${name}/versions/1/disable`)
    const refused = await post(`/executions/${id}/operations`, { kind: 'retry' })
    expect([...says(refused), refused.body.detail]).toEqual([
      409,
      'operation_refused',
      expect.stringContaining(`${name}@1 was disabled`),
    ])
  })

  it('is not held up by a launch that has not come to its end, and has an order with it', async () => {
    const name = await make({ publish: true })
    const tx = await api.pool.connect()
    try {
      await tx.query('begin')
      await holdScripts(tx, api.scopeId, [name])
      const disabling = post(`/scripts/${name}/versions/1/disable`)
      // A launch that reads now gets what is online; one that has read waits for nobody before its end.
      expect((await launch({ uses: name })).status).toBe(201)
      await tx.query('commit')
      expect((await disabling).status).toBe(200)
    } finally {
      tx.release()
    }
    expect(says(await launch({ uses: name }))).toEqual([409, 'script_version_refused'])
  })

  it.each([
    ['both a text and a use', { script: 'true', uses: 'a' }],
    ['neither', {}],
    ['a language of its own', { uses: 'a', language: 'sh' }],
    ['a use that is none', { uses: 'a@latest' }],
  ])('is refused with %s', async (_what, step) => {
    expect(says(await launch(step))).toEqual([400, 'request_invalid'])
  })

  it('does not see scripts of another scope', async () => {
    const name = await make({ publish: true })
    const scopeId = await api.addScope('elsewhere')
    await api.addHosts(scopeId, ['web-1'])
    const token = await api.principal('else', scopeId, ['admin'])
    const answer = await api.call('/executions', {
      method: 'POST',
      scope: 'elsewhere',
      token,
      body: { target: 'name:web-1', script: { uses: name } },
    })
    expect(says(answer)).toEqual([404, 'script_unknown'])
  })
})
