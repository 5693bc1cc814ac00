/** Database accounts by the API: made, changed under a lock, refused when wrong, kept while something names them. */
import { addSecretsKey } from '../helpers/two-scopes'
import { type ApiFixture, startApiFixture } from './api-fixture'

describe('database accounts', () => {
  let api: ApiFixture
  let token: string
  let operator: string

  beforeAll(async () => {
    api = await startApiFixture()
    token = await api.principal('root', api.scopeId, ['admin'])
    await addSecretsKey(api, { id: 'test', key: Buffer.alloc(32) })
    await api.addHosts(api.scopeId, ['db-1'])
    operator = await api.principal('olga', api.scopeId, ['operator'])
  }, 120_000)

  afterAll(() => api?.close())

  const call = (method: string, path: string, body?: object, as = token) =>
    api.call(path, { method, token: as, ...(body ? { body } : {}) })
  const put = (name: string, body: object, as = token) => call('PUT', `/db-accounts/${name}`, body, as)

  const keep = (name: string) => call('POST', '/secrets', { name, value: 'of a database' })

  it('are made with what is usual, listed, changed by who has seen them, and removed', async () => {
    await keep('db-password')
    const made = await put('main', { engine: 'postgresql', user: 'ann', secret: 'db-password' })
    expect(made).toMatchObject({
      status: 200,
      body: {
        name: 'main',
        host: '127.0.0.1',
        port: 5432,
        database: '',
        sslMode: 'prefer',
        caFile: '',
        secret: 'db-password',
        revision: 1,
        createdBy: 'root',
      },
    })
    expect(await put('main', { engine: 'mysql', user: 'bob' })).toMatchObject({
      status: 409,
      body: { code: 'name_taken' },
    })
    expect(await put('main', { engine: 'mysql', user: 'bob', revision: 1 })).toMatchObject({
      status: 200,
      body: { port: 3306, secret: null, revision: 2 },
    })
    expect(await put('main', { engine: 'mysql', user: 'eve', revision: 1 })).toMatchObject({
      status: 409,
      body: { code: 'edit_conflict', details: { current: { user: 'bob', revision: 2 } } },
    })
    expect(await call('GET', '/db-accounts/main')).toMatchObject({ body: { user: 'bob' } })
    expect((await call('GET', '/db-accounts')).body['items']).toMatchObject([{ name: 'main' }])
    expect(await call('DELETE', '/db-accounts/main')).toMatchObject({ status: 200 })
    for (const method of ['GET', 'DELETE'])
      expect(await call(method, '/db-accounts/main')).toMatchObject({
        status: 404,
        body: { code: 'db_account_unknown' },
      })
    expect(await put('main', { engine: 'mysql', user: 'a', revision: 2 })).toMatchObject({ status: 404 })
  })

  it('are read by whoever may read, and changed by administrators alone, for passwords go where they point', async () => {
    expect(await put('theirs', { engine: 'mysql', user: 'a' }, operator)).toMatchObject({ status: 403 })
    expect(await call('GET', '/db-accounts', undefined, operator)).toMatchObject({ status: 200 })
    expect(await call('DELETE', '/db-accounts/theirs', undefined, operator)).toMatchObject({ status: 403 })
  })

  it.each<[string, object, string]>([
    ['an engine that is none', { engine: 'oracle', user: 'a' }, 'request_invalid'],
    ['no user', { engine: 'mysql' }, 'request_invalid'],
    ['a password', { engine: 'mysql', user: 'a', password: 'x' }, 'request_invalid'],
    ['a port that is none', { engine: 'mysql', user: 'a', port: 0 }, 'request_invalid'],
    ['a host that is an option', { engine: 'mysql', user: 'a', host: '--x' }, 'request_invalid'],
    ['a user of two lines', { engine: 'mysql', user: 'a\nb' }, 'request_invalid'],
    ['a relative caFile', { engine: 'mysql', user: 'a', caFile: 'ca.pem' }, 'request_invalid'],
    [
      'TLS over a socket',
      { engine: 'mysql', user: 'a', host: '/run/s', sslMode: 'require' },
      'db_account_invalid',
    ],
    [
      'a certificate compared with an address',
      { engine: 'mysql', user: 'a', sslMode: 'verify-full' },
      'db_account_invalid',
    ],
    [
      'authorities without TLS',
      { engine: 'postgresql', user: 'a', sslMode: 'disable', caFile: '/ca.pem' },
      'db_account_invalid',
    ],
  ])('are refused with %s', async (_, body, code) => {
    expect(await put('wrong', body)).toMatchObject({ status: 400, body: { code } })
  })

  it.each<[string, object, string]>([
    ['an account that is none', { dbAccount: 'none', sql: 'select 1' }, 'db_account_unknown'],
    ['two sources', { dbAccount: 'kept', sql: 'select 1', uses: 'x' }, 'request_invalid'],
    ['no source', { dbAccount: 'kept' }, 'request_invalid'],
    ['arguments', { dbAccount: 'kept', sql: 'select 1', arguments: ['x'] }, 'request_invalid'],
    [
      'a transaction that goes on',
      { dbAccount: 'kept', sql: 'x', transaction: true, onError: 'continue' },
      'plan_invalid',
    ],
    ['a text of over 1 MiB', { dbAccount: 'kept', sql: 'x'.repeat(1024 * 1024 + 1) }, 'script_too_large'],
    ['a script that is no SQL', { dbAccount: 'kept', uses: 'shell' }, 'plan_invalid'],
  ])('keep a job from a step with %s', async (_, step, code) => {
    await put('kept', { engine: 'mysql', user: 'a' })
    await call('POST', '/scripts', { name: 'shell', content: 'true', publish: true })
    const answer = await call('PUT', '/jobs/nightly', { steps: [{ type: 'sql', name: 'one', ...step }] })
    expect(answer.body).toMatchObject({ code })
  })

  it('keep the secret that they sign in with, which must be there', async () => {
    const fields = { engine: 'mysql', user: 'a' }
    expect(await put('signs', { ...fields, secret: 'gone' })).toMatchObject({
      status: 404,
      body: { code: 'secret_unknown' },
    })
    expect(await call('GET', '/db-accounts/signs')).toMatchObject({ status: 404 })
    for (const name of ['first', 'second']) await keep(name)
    expect(await put('signs', { ...fields, secret: 'first' })).toMatchObject({ status: 200 })
    expect((await call('GET', '/secrets/first/citations')).body).toEqual({
      items: [],
      dbAccounts: ['signs'],
      more: false,
    })
    const refused = await call('DELETE', '/secrets/first')
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'secret_in_use', details: { citations: [], dbAccounts: ['signs'] } },
    })
    expect(refused.text).toContain('database account signs')
    expect(await put('signs', { ...fields, secret: 'second', revision: 1 })).toMatchObject({ status: 200 })
    expect(await call('DELETE', '/secrets/first')).toMatchObject({ status: 200 })
    expect(await put('signs', { ...fields, secret: 'first', revision: 2 })).toMatchObject({ status: 404 })
    expect((await call('GET', '/db-accounts/signs')).body).toMatchObject({ secret: 'second', revision: 2 })
    await call('DELETE', '/db-accounts/signs')
    expect(await call('DELETE', '/secrets/second')).toMatchObject({ status: 200 })
  })

  it('have their secret frozen with the step that names them, and refuse a launch without it', async () => {
    await keep('frozen')
    await put('freezes', { engine: 'mysql', user: 'a', secret: 'frozen' })
    const request = { target: 'name:db-1', sql: { dbAccount: 'freezes', sql: 'select 1' } }
    const launched = await call('POST', '/executions', request)
    expect(launched).toMatchObject({ status: 201 })
    const { rows } = await api.pool.query<{ version: number }>(
      `select (p.body->'steps'->0->'secrets'->'PASSWORD'->>'version')::int as version
       from execution e join plan_ir p on p.scope_id = e.scope_id and p.hash = e.plan_hash where e.id = $1`,
      [launched.body['id']],
    )
    expect(rows).toEqual([{ version: 1 }])
    const preview = () => call('POST', '/executions/preview', request)
    const before = (await preview()).body
    expect(before['steps']).toMatchObject([{ secrets: { PASSWORD: 'frozen@1' }, db: { secret: 'frozen' } }])
    await call('POST', '/secrets/frozen/versions', { value: 'rotated' })
    const after = (await preview()).body
    expect(after['steps']).toMatchObject([{ secrets: { PASSWORD: 'frozen@2' } }])
    expect(after['digest']).not.toBe(before['digest'])
    for (const version of [1, 2]) await call('POST', `/secrets/frozen/versions/${version}/disable`, {})
    expect((await call('POST', '/executions', request)).body).toMatchObject({
      code: 'secret_version_refused',
    })
    const steps = [{ type: 'sql', name: 'one', dbAccount: 'freezes', sql: 'select 1' }]
    expect((await call('PUT', '/jobs/freezes', { steps })).body).toMatchObject({
      code: 'secret_version_refused',
    })
  })

  it('stay while a job or a plan names them', async () => {
    await put('cited', { engine: 'mysql', user: 'a' })
    const steps = [{ type: 'sql', name: 'one', dbAccount: 'cited', sql: 'select 1' }]
    expect(await call('PUT', '/jobs/cites', { steps })).toMatchObject({ status: 200 })
    expect(await call('PUT', '/jobs/cites/plans/p', {})).toMatchObject({ status: 200 })
    const other = [{ name: 'one', script: 'true' }]
    expect(await call('PUT', '/jobs/cites', { steps: other, revision: 1 })).toMatchObject({ status: 200 })
    const refused = await call('DELETE', '/db-accounts/cited')
    expect(refused).toMatchObject({ body: { code: 'db_account_in_use' } })
    expect(refused.text).toContain('cites/p')
    await call('DELETE', '/jobs/cites/plans/p')
    expect(await call('DELETE', '/db-accounts/cited')).toMatchObject({ status: 200 })
  })
})
