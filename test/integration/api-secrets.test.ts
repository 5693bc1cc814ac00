/** Secrets by their public face: what is written can be used, and by no route, row, hash or answer be read again. */
import { createHash, randomUUID } from 'node:crypto'
import type { ScopeId } from '../../domain/id'
import { transaction } from '../../store/postgres/transaction'
import { listHostKeys, markProven } from '../../store/postgres/certificates'
import { listGivenSecrets } from '../../store/postgres/secrets'
import { openEnvelope } from '../../store/secret-envelope'
import { untilLockWait } from '../helpers/lock-waits'
import { addSecretsKey } from '../helpers/two-scopes'
import { type Answer, type ApiFixture, type Call, startApiFixture } from './api-fixture'

let api: ApiFixture
let privatePart: string
let operator: string
let viewer: string
let count = 0

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['web-1'])
  const early = await post('/secrets', { name: 'too-early', value: 'value' })
  expect(says(early)).toEqual([503, 'unavailable'])
  privatePart = await addSecretsKey(api, { id: 'test', key: Buffer.alloc(32) })
  operator = await api.principal('oper', api.scopeId, ['operator'])
  viewer = await api.principal('view', api.scopeId, ['viewer'])
}, 120_000)

afterAll(() => api?.close())

const post = (path: string, body?: unknown, more: Call = {}) =>
  api.call(path, { method: 'POST', body, ...more })
const says = (answer: Answer) => [answer.status, answer.body.code]

async function make(value: string = randomUUID()): Promise<string> {
  const name = `secret-${++count}`
  const made = await post('/secrets', { name, value })
  expect(made.status).toBe(201)
  return name
}

const step = (secrets: Record<string, string>, more = {}) => ({
  name: 'one',
  script: 'true',
  secrets,
  ...more,
})
const launch = (secrets: Record<string, string>, more: object = {}) =>
  post('/executions', { target: 'name:web-1', plan: { name: 'p', steps: [step(secrets)] }, ...more })

/** What the workers' key opens of a version. */
async function opened(name: string, version: number): Promise<string> {
  const { rows } = await api.pool.query<{ id: string }>(
    'select id from secret_version where secret_name = $1 and version = $2',
    [name, version],
  )
  const [stored] = await listGivenSecrets(api.pool, api.scopeId, [rows[0]!.id])
  if (!stored) return 'nothing'
  return openEnvelope(privatePart, stored, stored).toString()
}

describe('a secret', () => {
  it('is kept byte for byte, for the workers’ key alone', async () => {
    for (const value of ['p', 'pässwörd 🗝', 'two\nlines\n', '\u0001\t"\\', 'x'.repeat(65_536)]) {
      const name = await make(value)
      expect(await opened(name, 1)).toBe(value)
    }
  })

  it('has no value in any answer, nor its length', async () => {
    // Of a length that no time and no number of an answer has.
    const value = 'not-to-be-seen-by-anybody'.repeat(273)
    const name = `secret-${++count}`
    const answers = [await post('/secrets', { name, value, description: 'of the shop' })]
    answers.push(await post(`/secrets/${name}/versions`, { value }))
    for (const path of ['', '/versions', '/citations'])
      answers.push(await api.call(`/secrets/${name}${path}`))
    answers.push(await api.call('/secrets'), await post(`/secrets/${name}/versions/1/disable`))
    for (const answer of answers) {
      expect(answer.status).toBeLessThan(300)
      expect(answer.text).not.toContain(value)
      expect(answer.text).not.toMatch(new RegExp(`\\b${value.length}\\b`))
    }
    expect(answers[2]?.body).toMatchObject({
      name,
      description: 'of the shop',
      current: 2,
      latest: 2,
      createdBy: 'admin',
    })
    expect(Object.keys(answers[2]?.body ?? {}).sort()).toEqual(
      ['createdAt', 'createdBy', 'current', 'description', 'latest', 'name', 'updatedAt'].sort(),
    )
  })

  it('leaves nothing in the database that a guess could be compared with', async () => {
    const value = '4711'
    const key = randomUUID()
    const name = `secret-${++count}`
    const body = { name, value }
    expect((await post('/secrets', body, { key })).status).toBe(201)
    const tables = ['secret', 'secret_version', 'idempotency', 'audit']
    const rows: string[] = []
    for (const table of tables)
      rows.push(
        ...(await api.pool.query<{ t: string }>(`select t::text as t from ${table} t`)).rows.map(
          (row) => row.t,
        ),
      )
    const raw = JSON.stringify(body)
    const guesses = [value, raw, `POST /api/v1/scopes/default/secrets\n${raw}`].flatMap((text) =>
      ['sha256', 'sha1', 'md5'].map((kind) => createHash(kind).update(text).digest('hex')),
    )
    for (const row of rows) for (const guess of guesses) expect(row).not.toContain(guess)
    const audited = rows.filter((row) => row.includes(`secret/${name}`))
    expect(audited.length).toBe(1)
    expect(audited[0]).not.toContain(value)
  })

  it('is made once by one key, refuses the key for another value, and answers only the token that asked', async () => {
    const key = randomUUID()
    const body = { name: `secret-${++count}`, value: 'the first' }
    const made = await post('/secrets', body, { key })
    const again = await post('/secrets', body, { key, api: 1 })
    expect([again.status, again.headers.get('idempotency-replayed'), again.body]).toEqual([
      201,
      'true',
      made.body,
    ])
    const changed = await post('/secrets', { ...body, value: 'the other' }, { key })
    expect(says(changed)).toEqual([409, 'idempotency_conflict'])
    expect(await opened(body.name, 1)).toBe('the first')
  })

  it.each<[string, unknown, string]>([
    ['with a NUL', { value: 'a\0b' }, 'text_invalid'],
    ['that is empty', { value: '' }, 'request_invalid'],
    ['with too many bytes', { value: 'ä'.repeat(40_000) }, 'secret_too_large'],
    ['with too many characters', { value: 'x'.repeat(65_537) }, 'request_invalid'],
    ['that is no text', { value: 5 }, 'request_invalid'],
    ['without a value', {}, 'request_invalid'],
  ])('%s is refused, and its value not repeated', async (_what, body, code) => {
    const answer = await post('/secrets', { name: `secret-${++count}`, ...(body as object) })
    expect(answer.body.code).toBe(code)
    expect(answer.text).not.toMatch(/äää|xxxx/)
  })

  it('that is not sent as JSON is not repeated in the answer', async () => {
    const raw = '{"name":"x","value":not-to-be-seen'
    const answer = await post('/secrets', undefined, { raw })
    expect([...says(answer), answer.text.includes('not-to-be')]).toEqual([400, 'request_invalid', false])
  })

  it('is set by administrators, named by operators, and shown to viewers without its value', async () => {
    const name = await make()
    for (const token of [operator, viewer]) {
      expect(says(await post('/secrets', { name: 'x', value: 'y' }, { token }))).toEqual([
        403,
        'permission_denied',
      ])
      expect(says(await post(`/secrets/${name}/versions`, { value: 'y' }, { token }))).toEqual([
        403,
        'permission_denied',
      ])
      expect(says(await post(`/secrets/${name}/versions/1/destroy`, undefined, { token }))).toEqual([
        403,
        'permission_denied',
      ])
      expect(says(await api.call(`/secrets/${name}`, { method: 'DELETE', token }))).toEqual([
        403,
        'permission_denied',
      ])
      expect((await api.call(`/secrets/${name}`, { token })).status).toBe(200)
    }
    const body = { target: 'name:web-1', script: { script: 'true', secrets: { A: name } } }
    expect((await post('/executions', body, { token: operator })).status).toBe(201)
    expect(says(await post('/executions', body, { token: viewer }))).toEqual([403, 'permission_denied'])
  })

  it('of another scope is none, also for a step', async () => {
    const name = await make()
    const otherId = await api.addScope('elsewhere')
    const token = await api.principal('elsewhere-admin', otherId, ['admin'])
    const other = { token, scope: 'elsewhere' }
    expect(says(await api.call(`/secrets/${name}`, other))).toEqual([404, 'secret_unknown'])
    await api.addHosts(otherId as ScopeId, ['far'])
    const body = { target: 'name:far', script: { script: 'true', secrets: { A: name } } }
    expect(says(await post('/executions', body, other))).toEqual([404, 'secret_unknown'])
  })
})

describe('a version of a secret', () => {
  const states = async (name: string) =>
    (
      (await api.call(`/secrets/${name}/versions`)).body as unknown as {
        items: { version: number; state: string }[]
      }
    ).items.map(({ version, state }) => `${version} ${state}`)

  it('is the newest enabled one where none is named', async () => {
    const name = await make('one')
    await post(`/secrets/${name}/versions`, { value: 'two' })
    const frozen = async (use: string) => {
      const preview = await post('/executions/preview', {
        target: 'name:web-1',
        script: { script: 'true', secrets: { A: use } },
      })
      return (
        (preview.body['steps'] as { secrets: Record<string, string> }[] | undefined)?.[0]?.secrets['A'] ??
        preview.body.code
      )
    }
    expect([await frozen(name), await frozen(`${name}@1`)]).toEqual([`${name}@2`, `${name}@1`])
    await post(`/secrets/${name}/versions/2/disable`)
    expect([await frozen(name), await frozen(`${name}@2`)]).toEqual([`${name}@1`, 'secret_version_refused'])
    await post(`/secrets/${name}/versions/2/enable`)
    expect(await frozen(name)).toBe(`${name}@2`)
    for (const version of [1, 2]) await post(`/secrets/${name}/versions/${version}/disable`)
    expect(await frozen(name)).toBe('secret_version_refused')
    expect([await frozen(`${name}@9`), await frozen('nothing')]).toEqual([
      'secret_version_unknown',
      'secret_unknown',
    ])
  })

  it('that is destroyed is gone for good', async () => {
    const name = await make('one')
    expect((await post(`/secrets/${name}/versions/1/destroy`)).body['state']).toBe('destroyed')
    const { rows } = await api.pool.query(
      'select sealed_key, sealed_value from secret_version where secret_name = $1',
      [name],
    )
    expect(rows).toEqual([{ sealed_key: null, sealed_value: null }])
    for (const change of ['enable', 'disable'])
      expect(says(await post(`/secrets/${name}/versions/1/${change}`))).toEqual([
        409,
        'secret_version_refused',
      ])
    expect((await post(`/secrets/${name}/versions/1/destroy`)).status).toBe(200)
  })

  it('gets a number that none had, also when many come at once and after a removal', async () => {
    const name = await make()
    await Promise.all(Array.from({ length: 8 }, () => post(`/secrets/${name}/versions`, { value: 'x' })))
    expect(await states(name)).toHaveLength(9)
    expect((await api.call(`/secrets/${name}`, { method: 'DELETE' })).status).toBe(200)
    expect(says(await api.call(`/secrets/${name}`))).toEqual([404, 'secret_unknown'])
    expect(await opened(name, 9)).toBe('nothing')
    expect((await post('/secrets', { name, value: 'anew' })).body).toMatchObject({ current: 10, latest: 10 })
    expect(await states(name)).toEqual(['10 enabled'])
    expect(says(await launch({ A: `${name}@9` }))).toEqual([404, 'secret_version_unknown'])
  })
})

describe('the keys of a host', () => {
  let serial = 0
  const issue = (hostId: string, key: number, from: string, until: string) =>
    api.pool.query(
      `insert into certificate (scope_id, serial, host_id, issued_at, not_after, fingerprint, public_key)
       values ($1, $2, $3, now() + $4::interval, now() + $5::interval, $6, $7)`,
      [api.scopeId, `s${++serial}`, hostId, from, until, Buffer.from(`f${serial}`), Buffer.from([key])],
    )

  it('are those of all certificates that are good still, newest first and each once, and the newest in any case', async () => {
    const [one, two, none] = await api.addHosts(api.scopeId, ['keys-1', 'keys-2', 'keys-3'])
    await issue(one!, 1, '-9 days', '-2 days')
    await issue(one!, 2, '-4 days', '3 days')
    await issue(one!, 3, '-1 day', '6 days')
    // A renewal that was sent again brings no key to the front that the host has no more.
    await issue(one!, 2, '0 days', '7 days')
    await issue(two!, 4, '-20 days', '-13 days')
    await issue(two!, 5, '-10 days', '-3 days')
    await api.pool.query(
      `insert into certificate (scope_id, serial, host_id, not_after, fingerprint) values ($1, 'old', $2, now() + '1 day', 'old')`,
      [api.scopeId, none],
    )
    const keys = await listHostKeys(api.pool, api.scopeId, [one!, two!, none!])
    expect([...keys].map(([id, points]) => [id, points.map((point) => point[0])])).toEqual([
      [one, [3, 2]],
      [two, [5]],
    ])
  })
})

describe('the keys of a host whose renewals were lost', () => {
  it('have the one among them that it has shown last that it has, however many came after it', async () => {
    const [host] = await api.addHosts(api.scopeId, ['lost-1'])
    for (let key = 1; key <= 8; key++)
      await api.pool.query(
        `insert into certificate (scope_id, serial, host_id, issued_at, not_after, fingerprint, public_key)
         values ($1, $2, $3, now() - $4::int * interval '1 hour', now() + interval '1 day', $5, $6)`,
        [api.scopeId, `lost-${key}`, host, 10 - key, Buffer.from(`lost-${key}`), Buffer.from([key])],
      )
    const points = async () => {
      const keys = await listHostKeys(api.pool, api.scopeId, [host!])
      return keys.get(host!)?.map((point) => point[0])
    }
    expect(await points()).toEqual([8, 7, 6, 5])
    await markProven(api.pool, Buffer.from('lost-1'))
    await markProven(api.pool, Buffer.from('lost-2'))
    expect(await points()).toEqual([8, 7, 6, 5, 2])
    await markProven(api.pool, Buffer.from('lost-7'))
    expect(await points()).toEqual([8, 7, 6, 5])
  })
})

describe('a step with secrets', () => {
  it('is frozen with the id of the version, which the digest holds', async () => {
    const name = await make()
    const preview = () =>
      post('/executions/preview', { target: 'name:web-1', plan: { name: 'p', steps: [step({ A: name })] } })
    const before = (await preview()).body['digest']
    expect((await preview()).body['digest']).toBe(before)
    const made = await launch({ A: name }, { digest: before })
    expect(made.status).toBe(201)
    const { rows } = await api.pool.query<{ secrets: unknown; ir_version: number }>(
      `select p.body->'steps'->0->'secrets' as secrets, p.ir_version from plan_ir p join execution e on e.plan_hash = p.hash where e.id = $1`,
      [made.body['id']],
    )
    const { rows: versions } = await api.pool.query<{ id: string }>(
      'select id from secret_version where secret_name = $1',
      [name],
    )
    // An older worker takes no plan of this version: it would run the step without its secrets.
    expect(rows).toEqual([
      { secrets: { A: { secret: name, version: 1, id: versions[0]!.id } }, ir_version: 3 },
    ])
    await post(`/secrets/${name}/versions`, { value: 'rotated' })
    expect((await preview()).body['digest']).not.toBe(before)
    expect(says(await launch({ A: name }, { digest: before }))).toEqual([409, 'launch_changed'])
    const again = await api.call(`/executions/${String(made.body['id'])}/launch`)
    expect((again.body['plan'] as { steps: object[] }).steps[0]).toMatchObject({
      secrets: { A: `${name}@1` },
    })
  })

  it('leaves plans without any as they were', async () => {
    const made = await launch({})
    const { rows } = await api.pool.query(
      `select p.ir_version, p.body->'steps'->0 ? 'secrets' as has from plan_ir p join execution e on e.plan_hash = p.hash where e.id = $1`,
      [made.body['id']],
    )
    expect(rows).toEqual([{ ir_version: 2, has: false }])
  })

  it.each<[string, (name: string) => object]>([
    ['a name that is none', (name) => step({ 'A-B': name })],
    ['a name that changes the interpreter', (name) => step({ LD_PRELOAD: name })],
    ['a name that the environment has', (name) => step({ A: name }, { environment: { A: 'x' } })],
    [
      'a name whose file variable the environment has',
      (name) => step({ A: name }, { environment: { A_FILE: 'x' } }),
    ],
    ['a secret that is no name', () => step({ A: '../x' })],
    ['too many', (name) => step(Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`A${n}`, name])))],
  ])('is refused with %s', async (_what, stepOf) => {
    const name = await make()
    const answer = await post('/executions', {
      target: 'name:web-1',
      plan: { name: 'p', steps: [stepOf(name)] },
    })
    expect([answer.status, answer.body.code]).toEqual([
      400,
      expect.stringMatching(/^(plan|request)_invalid$/),
    ])
  })

  it('keeps its secret from being removed, and says who cites it', async () => {
    const name = await make()
    const put = (path: string, body: object) => api.call(path, { method: 'PUT', body })
    expect((await put('/jobs/citing', { steps: [step({ A: `${name}@1` })] })).status).toBe(200)
    expect((await put('/jobs/citing/plans/all', {})).status).toBe(200)
    const refused = await api.call(`/secrets/${name}`, { method: 'DELETE' })
    const citation = { job: 'citing', step: 'one', as: 'A', uses: `${name}@1` }
    expect([...says(refused), refused.body.detail, refused.body['details']]).toEqual([
      409,
      'secret_in_use',
      expect.stringContaining('job citing in step "one"'),
      {
        citations: [
          { ...citation, plan: null },
          { ...citation, plan: 'all' },
        ],
        dbAccounts: [],
      },
    ])
    expect((await api.call(`/secrets/${name}/citations`)).body).toMatchObject({
      more: false,
      items: [{ plan: null }, { plan: 'all' }],
    })
    // The job changes; its plan goes on citing it until it is synced.
    await put('/jobs/citing', { steps: [{ name: 'one', script: 'true' }], revision: 1 })
    expect(says(await api.call(`/secrets/${name}`, { method: 'DELETE' }))).toEqual([409, 'secret_in_use'])
    await post('/jobs/citing/sync', { revision: 2 })
    expect((await api.call(`/secrets/${name}`, { method: 'DELETE' })).status).toBe(200)
  })

  it('is kept from being removed by what takes a step back, too', async () => {
    const name = await make()
    const steps = [{ name: 'one', script: 'true', undo: { script: 'true', secrets: { A: name } } }]
    expect((await api.call('/jobs/undoing', { method: 'PUT', body: { steps } })).status).toBe(200)
    expect(says(await api.call(`/secrets/${name}`, { method: 'DELETE' }))).toEqual([409, 'secret_in_use'])
    expect((await api.call(`/secrets/${name}/citations`)).body).toMatchObject({
      items: [{ job: 'undoing', step: 'one', as: 'A', uses: name }],
    })
  })

  it('is not launched while its secret is being destroyed', async () => {
    const name = await make()
    let launching: Promise<Answer> | undefined
    await transaction(api.pool, async (tx) => {
      await tx.query('select from secret where name = $1 for no key update', [name])
      launching = launch({ A: name })
      await untilLockWait(api.pool, '%from secret%for share%')
      await tx.query(
        `update secret_version set state = 'destroyed', sealed_key = null, sealed_value = null where secret_name = $1`,
        [name],
      )
    })
    expect(says((await launching)!)).toEqual([409, 'secret_version_refused'])
  })
})
