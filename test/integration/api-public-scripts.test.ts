/** Public scripts, between two scopes: who may write them, what each scope sees of the other, what their change stops. */
import type { ScopeId } from '../../domain/id'
import { removeScript } from '../../store/postgres/script-library'
import { keyOfUsed } from '../../store/postgres/script-uses'
import { transaction } from '../../store/postgres/transaction'
import { type Answer, type ApiFixture, startApiFixture } from './api-fixture'

let api: ApiFixture
let other: { id: ScopeId; token: string }
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
  const id = await api.addScope('other')
  await api.addHosts(id, ['db-1'])
  other = { id, token: await api.principal('theirs', id, ['admin']) }
}, 120_000)

afterAll(() => api?.close())

const says = (answer: Answer) => [answer.status, answer.body.code]
const ask = (method: string, path: string, body?: unknown) => api.call(path, { method, body })
/** The same, of an admin of the other scope. */
const theirs = (method: string, path: string, body?: unknown) =>
  api.call(path, { method, body, scope: 'other', token: other.token })

async function make(fields: Record<string, unknown> = {}): Promise<string> {
  const name = `shared-${++count}`
  const made = await ask('POST', '/public-scripts', {
    name,
    content: `echo ${name}`,
    publish: true,
    ...fields,
  })
  expect(made.status).toBe(201)
  return name
}

const usedBy = (name: string) => ({ steps: [{ name: 'one', uses: `public/${name}` }] })

describe('a public script', () => {
  it('is read in every scope, and changed from the first alone', async () => {
    const name = await make({ description: 'for all', tags: ['shared'] })
    const shown = await theirs('GET', `/public-scripts/${name}`)
    expect(shown.body).toMatchObject({ name, uses: `public/${name}`, description: 'for all', online: 1 })
    expect((await theirs('GET', `/public-scripts/${name}/versions/1`)).body).toMatchObject({
      content: `echo ${name}`,
    })
    for (const [method, path, body] of [
      ['POST', '/public-scripts', { name: 'mine', content: 'true' }],
      ['PATCH', `/public-scripts/${name}`, { tags: [], revision: 1 }],
      ['POST', `/public-scripts/${name}/versions`, { content: 'false' }],
      ['POST', `/public-scripts/${name}/versions/1/disable`, undefined],
      ['DELETE', `/public-scripts/${name}`, undefined],
    ] as const) {
      const refused = await theirs(method, path, body)
      expect(says(refused)).toEqual([403, 'permission_denied'])
      expect(refused.text).not.toContain('default')
    }
    expect((await ask('GET', `/public-scripts/${name}`)).body).toMatchObject({ online: 1, tags: ['shared'] })
  })

  it('is another one than a script of the same name in a scope', async () => {
    const name = await make()
    const own = await theirs('POST', '/scripts', { name, content: 'echo mine', publish: true })
    expect([own.status, own.body['uses']]).toEqual([201, name])
    const names = async (path: string) =>
      ((await theirs('GET', path)).body as unknown as { items: { name: string }[] }).items.map(
        (item) => item.name,
      )
    expect(await names(`/public-scripts?name=${name}`)).toEqual([name])
    expect(await names(`/public-scripts?text=${encodeURIComponent('echo mine')}`)).toEqual([])
    expect(await names(`/scripts?text=${encodeURIComponent('echo mine')}`)).toEqual([name])
    expect(says(await ask('GET', `/scripts/${name}`))).toEqual([404, 'script_unknown'])
    expect((await ask('GET', `/scripts/${name}`)).body.detail).not.toContain('public')
    const launched = await theirs('POST', '/executions', {
      target: 'name:db-1',
      plan: {
        name: 'both',
        steps: [
          { name: 'a', uses: name },
          { name: 'b', uses: `public/${name}` },
        ],
      },
    })
    const texts = await Promise.all(
      [0, 1].map(async (at) => {
        const { body } = await theirs('GET', `/executions/${String(launched.body['id'])}/steps/${at}/script`)
        return [body['uses'], body['content']]
      }),
    )
    expect(texts).toEqual([
      [`${name}@1`, 'echo mine'],
      [`public/${name}@1`, `echo ${name}`],
    ])
  })

  it('is launched in any scope with the text that it had, whatever becomes of it', async () => {
    const name = await make()
    const launched = await theirs('POST', '/executions', {
      target: 'name:db-1',
      script: { uses: `public/${name}` },
    })
    expect(launched.status).toBe(201)
    await ask('POST', `/public-scripts/${name}/versions`, { content: 'echo new', publish: true })
    await ask('POST', `/public-scripts/${name}/versions/2/disable`)
    expect((await ask('DELETE', `/public-scripts/${name}`)).status).toBe(200)
    const path = `/executions/${String(launched.body['id'])}/steps/0/script`
    expect((await theirs('GET', path)).body).toMatchObject({
      content: `echo ${name}`,
      uses: `public/${name}@1`,
    })
    const { rows } = await api.pool.query(
      `select convert_from(content, 'UTF8') as text from script_text where scope_id = $1 and content = convert_to($2, 'UTF8')`,
      [other.id, `echo ${name}`],
    )
    expect(rows).toEqual([{ text: `echo ${name}` }])
  })

  it('starts nowhere any more once it is disabled, and no run of any scope is taken up again with it', async () => {
    const name = await make()
    const launch = () =>
      theirs('POST', '/executions', { target: 'name:db-1', script: { uses: `public/${name}` } })
    await theirs('PUT', `/jobs/${name}`, usedBy(name))
    await theirs('PUT', `/jobs/${name}/plans/all`, {})
    const id = String((await launch()).body['id'])
    await api.pool.query(`update host_result set state = 'failed' where execution_id = $1`, [id])
    await api.pool.query(`update step_execution set state = 'failed' where execution_id = $1`, [id])
    await api.pool.query(`update execution set state = 'failed' where id = $1`, [id])
    expect((await ask('POST', `/public-scripts/${name}/versions/1/disable`)).status).toBe(200)
    const retried = await theirs('POST', `/executions/${id}/operations`, { kind: 'retry' })
    expect([...says(retried), retried.body.detail]).toEqual([
      409,
      'operation_refused',
      expect.stringContaining(`public/${name}@1 was disabled`),
    ])
    expect(says(await launch())).toEqual([409, 'script_version_refused'])
    const ofJob = { target: 'name:db-1', job: { name, plan: 'all' } }
    expect(says(await theirs('POST', '/executions', ofJob))).toEqual([409, 'script_version_refused'])
  })

  it('tells each scope who uses it there, and who may change it how many others do', async () => {
    const name = await make()
    await ask('PUT', `/jobs/ours-${name}`, usedBy(name))
    await theirs('PUT', `/jobs/theirs-${name}`, usedBy(name))
    await theirs('PUT', `/jobs/theirs-${name}/plans/hidden`, {})
    const [here, there] = [
      await ask('GET', `/public-scripts/${name}/citations`),
      await theirs('GET', `/public-scripts/${name}/citations`),
    ]
    const citation = (job: string, plan: string | null) => ({
      job,
      plan,
      step: 'one',
      uses: `public/${name}`,
      version: 1,
      state: 'online',
    })
    expect(here.body).toEqual({ items: [citation(`ours-${name}`, null)], more: false, elsewhere: 2 })
    expect(there.body).toEqual({
      items: [citation(`theirs-${name}`, null), citation(`theirs-${name}`, 'hidden')],
      more: false,
      elsewhere: null,
    })
    const viewer = await api.principal(`viewer-${name}`, api.scopeId, ['viewer', 'operator'])
    const seen = await api.call(`/public-scripts/${name}/citations`, { token: viewer })
    expect(seen.body).toEqual({ ...here.body, elsewhere: null })
    await ask('POST', `/public-scripts/${name}/versions/1/disable`)
    const refused = await ask('DELETE', `/public-scripts/${name}`)
    expect([...says(refused), refused.body.detail]).toEqual([
      409,
      'script_in_use',
      expect.stringContaining('2 steps in other scopes'),
    ])
    expect(refused.text).not.toMatch(/theirs|hidden/)
    await ask('DELETE', `/jobs/ours-${name}`)
    expect((await ask('DELETE', `/public-scripts/${name}`)).body.detail).toContain(
      'is used, by 2 steps in other scopes',
    )
    await theirs('DELETE', `/jobs/theirs-${name}/plans/hidden`)
    await theirs('DELETE', `/jobs/theirs-${name}`)
    expect((await ask('DELETE', `/public-scripts/${name}`)).status).toBe(200)
  })

  it('leaves nobody in doubt about a script of their own scope, which is used nowhere else', async () => {
    const name = await make()
    await ask('POST', '/scripts', { name, content: 'true', publish: true })
    const viewer = await api.principal(`own-${name}`, api.scopeId, ['viewer'])
    const { body } = await api.call(`/scripts/${name}/citations`, { token: viewer })
    expect(body).toEqual({ items: [], more: false, elsewhere: 0 })
  })

  it('is moved to another version in the jobs of the scope that asks, and in no other', async () => {
    const name = await make()
    await ask('POST', `/public-scripts/${name}/versions`, { content: 'echo 2', publish: true })
    const steps = { steps: [{ name: 'one', uses: `public/${name}@1` }] }
    await ask('PUT', `/jobs/${name}`, steps)
    await theirs('PUT', `/jobs/${name}`, steps)
    const synced = await theirs('POST', `/public-scripts/${name}/sync`, { to: 2 })
    expect(synced.body).toEqual({ jobs: [{ job: name, steps: ['one'] }], more: false })
    const uses = async (get: typeof ask) =>
      ((await get('GET', `/jobs/${name}`)).body as unknown as { steps: { uses: string }[] }).steps[0]?.uses
    expect([await uses(ask), await uses(theirs)]).toEqual([`public/${name}@1`, `public/${name}@2`])
  })

  it('is not removed under a job that is being saved in another scope', async () => {
    const name = await make({ publish: false })
    await ask('POST', `/public-scripts/${name}/versions/1/publish`, {})
    await ask('POST', `/public-scripts/${name}/versions`, { content: 'echo 2', publish: true })
    const { saving } = await transaction(api.pool, async (tx) => {
      // Its removal has begun and has found nobody who uses it.
      const key = await keyOfUsed(tx, other.id, `public/${name}`)
      await tx.query('select from script where scope_id = $1 and name = $2 for no key update', [
        key.scopeId,
        key.name,
      ])
      const put = theirs('PUT', `/jobs/${name}`, { steps: [{ name: 'one', uses: `public/${name}@1` }] })
      await new Promise((resolve) => setTimeout(resolve, 300))
      await removeScript(tx, key)
      return { saving: put }
    })
    expect(says(await saving)).toEqual([404, 'script_unknown'])
    expect(says(await theirs('GET', `/jobs/${name}`))).toEqual([404, 'job_unknown'])
  })

  it.each(['public', 'public%20scripts'])('is in no scope that a path could name: %s', async (scope) => {
    expect(says(await api.call('/hosts', { scope }))).toEqual([404, 'scope_unknown'])
  })

  it.each(['public/', 'public/a/b', 'Public/a', 'public/a@0', '/a'])('is not meant by %s', async (uses) => {
    const launch = { target: 'name:web-1', script: { uses } }
    expect(says(await ask('POST', '/executions', launch))).toEqual([400, 'request_invalid'])
  })

  it('is no secret, nor the name of one', async () => {
    const launch = { target: 'name:web-1', script: { script: 'true', secrets: { A: 'public/a' } } }
    expect(says(await ask('POST', '/executions', launch))).toEqual([400, 'request_invalid'])
  })

  it('is audited where it was changed from, by the name that all know it by', async () => {
    const name = await make()
    const { rows } = await api.pool.query(
      `select scope_id as "scopeId", action from audit where resource = $1`,
      [`script/public/${name}`],
    )
    expect(rows).toEqual([{ scopeId: api.scopeId, action: 'create-public-script' }])
  })
})
