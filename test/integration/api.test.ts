/** The API by HTTP, over real stores: what it refuses and how, what it does once, what it does while a store is away. */
import 'reflect-metadata'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509CertificateGenerator } from '@peculiar/x509'
import { insertKey } from '../../store/postgres/platform-keys'
import { findAuditBreak } from '../../store/postgres/audit'
import { type ApiFixture, type Call, startApiFixture } from './api-fixture'

let api: ApiFixture

beforeAll(async () => {
  api = await startApiFixture()
  await api.addHosts(api.scopeId, ['rack-a-1', 'rack-a-2', 'rack-a-10'], { rack: 'a' })
  await api.addHosts(api.scopeId, ['rack-b-1'], { rack: 'b' })
}, 120_000)

afterAll(() => api?.close())

const script = (text = 'uptime') => ({ script: text })
const launch = (target: string, more: object = {}): Call => ({
  method: 'POST',
  body: { target, script: script(), ...more },
})
const countExecutions = async () =>
  Number((await api.pool.query<{ n: string }>('select count(*) as n from execution')).rows[0]?.n)

describe('bad input', () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => i + 1).join(',')
  const cases: [what: string, path: string, call: Call, status: number, code: string, says: RegExp][] = [
    [
      'an unknown host by name',
      '/executions',
      launch('name:rack-a-1,nope-[1-9]'),
      404,
      'host_unknown',
      /nope-1.*4 more/,
    ],
    ['an unknown host by id', '/executions', launch('id:999999'), 404, 'host_unknown', /999999/],
    ['an unknown group', '/executions', launch('group:nope'), 404, 'group_unknown', /nope/],
    ['an unknown run as target', '/executions', launch('run:999:failed'), 404, 'execution_unknown', /r-999/],
    ['an empty target', '/executions', launch(' \n# nothing\n'), 400, 'target_invalid', /empty/],
    ['a target that matches nobody', '/executions', launch('rack=zzz'), 409, 'target_empty', /hosts ls/],
    ['a bad selector', '/executions', launch('rack=a,,b'), 400, 'target_invalid', /empty/],
    ['a bad node set', '/executions', launch('name:web-[3-1]'), 400, 'target_invalid', /backwards/],
    ['a bad state of a run', '/executions', launch('run:1:weird'), 400, 'target_invalid', /not a state/],
    ['100,000 ids', '/executions', launch(`id:${many(100_000)}`), 400, 'target_too_large', /100000/],
    ['a million names', '/executions', launch('name:x-[1-1000000]'), 400, 'target_invalid', /100000/],
    [
      'a script of 20 MB',
      '/executions',
      launch('rack=a', { script: script('x'.repeat(20_000_000)) }),
      413,
      'body_too_large',
      /1 MiB/,
    ],
    [
      'a script of 1.5 MiB',
      '/executions',
      launch('rack=a', { script: script('x'.repeat(1_572_864)) }),
      413,
      'script_too_large',
      /1572864/,
    ],
    [
      'a script that is too long in bytes only',
      '/executions',
      launch('rack=a', { script: script('€'.repeat(400_000)) }),
      413,
      'script_too_large',
      /1200000/,
    ],
    [
      'NUL in a script',
      '/executions',
      launch('rack=a', { script: script('a\0b') }),
      400,
      'text_invalid',
      /body\.script\.script/,
    ],
    ['NUL in a target', '/executions', launch('rack=a\0'), 400, 'text_invalid', /NUL/],
    ['NUL in a path', '/groups/a%00b', {}, 400, 'text_invalid', /NUL/],
    ['NUL in a scope', '/hosts', { scope: 'a%00b' }, 400, 'text_invalid', /NUL/],
    ['NUL in a query', '/hosts?target=a%00', {}, 400, 'text_invalid', /NUL/],
    [
      'NUL in a key of an object',
      '/executions',
      launch('rack=a', { script: { ...script(), environment: { 'A\0': 'x' } } }),
      400,
      'text_invalid',
      /NUL/,
    ],
    [
      'half a surrogate pair',
      '/executions',
      { method: 'POST', raw: '{"target":"rack=a","script":{"script":"\\ud800"}}' },
      400,
      'text_invalid',
      /surrogate/,
    ],
    [
      'a body that is not UTF-8',
      '/executions',
      { method: 'POST', raw: new Uint8Array([0x22, 0xff, 0x22]) },
      400,
      'text_invalid',
      /UTF-8/,
    ],
    ['an unknown field', '/executions', launch('rack=a', { dryRun: true }), 400, 'request_invalid', /dryRun/],
    [
      'an unknown field further in',
      '/executions',
      launch('rack=a', { script: { ...script(), cpu: 1 } }),
      400,
      'request_invalid',
      /body\.script\.cpu/,
    ],
    ['an unknown query', '/hosts?limits=1', {}, 400, 'request_invalid', /limits/],
    [
      'a wrong type',
      '/executions',
      launch('rack=a', { confirm: '4' }),
      400,
      'request_invalid',
      /body\.confirm/,
    ],
    ['a list as body', '/executions', { method: 'POST', body: [] }, 400, 'request_invalid', /body/],
    ['no body', '/executions', { method: 'POST' }, 400, 'request_invalid', /give one of plan/],
    [
      'a plan and a script',
      '/executions',
      launch('rack=a', { plan: { name: 'p', steps: [{ name: 's', script: 'x' }] } }),
      400,
      'request_invalid',
      /one of/,
    ],
    [
      'a plan without steps',
      '/executions',
      { method: 'POST', body: { target: 'rack=a', plan: { name: 'p', steps: [] } } },
      400,
      'request_invalid',
      /steps/,
    ],
    [
      'an unknown language',
      '/executions',
      launch('rack=a', { script: { ...script(), language: 'cobol' } }),
      400,
      'request_invalid',
      /language/,
    ],
    [
      'a variable that would change the interpreter',
      '/executions',
      launch('rack=a', { script: { ...script(), environment: { LD_PRELOAD: 'x' } } }),
      400,
      'plan_invalid',
      /LD_PRELOAD/,
    ],
    [
      'a relative working directory',
      '/executions',
      launch('rack=a', { script: { ...script(), workingDirectory: 'tmp' } }),
      400,
      'plan_invalid',
      /absolute/,
    ],
    [
      'an account that is none',
      '/executions',
      launch('rack=a', { script: { ...script(), account: '-rf /' } }),
      400,
      'plan_invalid',
      /account/,
    ],
    [
      'text that is not JSON',
      '/executions',
      { method: 'POST', raw: '{target' },
      400,
      'request_invalid',
      /not JSON/,
    ],
    [
      'another content type',
      '/executions',
      { method: 'POST', raw: 'target=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      400,
      'request_invalid',
      /content-type/,
    ],
    [
      'a mutation without a key',
      '/executions',
      { ...launch('rack=a'), key: undefined },
      400,
      'idempotency_key_missing',
      /Idempotency-Key/,
    ],
    [
      'a key that is too long',
      '/executions',
      { ...launch('rack=a'), key: 'k'.repeat(129) },
      400,
      'idempotency_key_missing',
      /128/,
    ],
    [
      'a number that is no confirmation',
      '/executions',
      launch('rack=a', { confirm: 7 }),
      409,
      'confirmation_required',
      /--confirm 3/,
    ],
    ['an id that is none', '/hosts/abc', {}, 400, 'request_invalid', /hostId/],
    ['an id beyond bigint', '/hosts/99999999999999999999', {}, 400, 'request_invalid', /hostId/],
    ['a host that is not there', '/hosts/999999', {}, 404, 'host_unknown', /hosts ls/],
    ['an execution that is not there', '/executions/999999', {}, 404, 'execution_unknown', /runs ls/],
    ['a limit that is too high', '/hosts?limit=1001', {}, 400, 'request_invalid', /limit/],
    ['a parameter given twice', '/hosts?limit=1&limit=2', {}, 400, 'request_invalid', /limit/],
    ['a cursor that is none', '/hosts?after=xyz', {}, 400, 'cursor_invalid', /next/],
    [
      'a cursor of another list',
      `/hosts?after=${Buffer.from('group:a').toString('base64url')}`,
      {},
      400,
      'cursor_invalid',
      /next/,
    ],
    ['an unknown state', '/executions?state=done', {}, 400, 'request_invalid', /state/],
    [
      'a label that is none',
      '/hosts/1/labels',
      { method: 'PATCH', body: { labels: { 'a b': 'c' } } },
      400,
      'request_invalid',
      /not a label key/,
    ],
    [
      'a label in the name of a fact',
      '/hosts/1/labels',
      { method: 'PATCH', body: { labels: { 'fact.os': 'linux' } } },
      400,
      'request_invalid',
      /fact\./,
    ],
    [
      'a join token that lives too long',
      '/join-tokens',
      { method: 'POST', body: { ttlMs: 86_400_001 } },
      400,
      'request_invalid',
      /ttlMs/,
    ],
    [
      'a skip of no step',
      '/executions/1/operations',
      { method: 'POST', body: { kind: 'skip' } },
      400,
      'request_invalid',
      /step/,
    ],
    ['a path that is not there', '/nothing', {}, 404, 'not_found', /openapi/],
    ['a path with half an escape', '/groups/%E0%A4%A', {}, 400, 'request_invalid', /percent/],
  ]

  it.each(cases)('refuses %s', async (...[, path, call, ...expected]) => {
    const [status, code, says] = expected
    const before = await countExecutions()
    const answer = await api.call(path, call)
    expect(answer.body).toMatchObject({ status, code, requestId: answer.headers.get('x-request-id') })
    expect(answer.body.detail).toMatch(says)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(await countExecutions()).toBe(before)
  })

  it('names the methods of a path that was asked with another', async () => {
    const answer = await api.call('/hosts/1', { method: 'PUT', body: {} })
    expect(answer.body.code).toBe('method_not_allowed')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET'])
  })

  it('survives JSON that is nested a million deep', async () => {
    const answer = await api.call('/executions', {
      method: 'POST',
      raw: '['.repeat(1_000_000) + ']'.repeat(1_000_000),
    })
    expect(answer.status).toBe(400)
  })
})

describe('who may', () => {
  it('knows a caller by the token alone', async () => {
    const expired = await api.principal('expired', api.scopeId, ['admin'], new Date(Date.now() - 1_000))
    for (const [token, code] of [
      [undefined, 'credential_missing'],
      ['nonsense', 'credential_invalid'],
      [`drt_${'x'.repeat(43)}`, 'credential_invalid'],
      [expired, 'credential_invalid'],
    ] as const) {
      const answer = await api.call('/hosts', { token })
      expect([answer.status, answer.body.code]).toEqual([401, code])
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    }
  })

  it('hides scopes in which the caller is nobody, before it reads what they send', async () => {
    const other = await api.addScope('other')
    const outsider = await api.principal('outsider', other, ['admin'])
    for (const scope of ['default', 'never-made']) {
      const read = await api.call('/hosts', { token: outsider, scope })
      const write = await api.call('/executions', {
        method: 'POST',
        raw: 'x'.repeat(9_000_000),
        token: outsider,
        scope,
      })
      expect([read.status, read.body.code, write.status, write.body.code]).toEqual([
        404,
        'scope_unknown',
        404,
        'scope_unknown',
      ])
    }
    // A host of another scope is no host here, by every way to name it.
    expect((await api.call('/hosts/1', { token: outsider, scope: 'other' })).body.code).toBe('host_unknown')
    for (const target of ['id:1', 'name:rack-a-1']) {
      const answer = await api.call('/executions', { ...launch(target), token: outsider, scope: 'other' })
      expect(answer.body.code).toBe('host_unknown')
    }
    expect(
      (await api.call('/executions', { ...launch('*'), token: outsider, scope: 'other' })).body.code,
    ).toBe('target_empty')
  })

  it('lets a viewer look and not touch', async () => {
    const viewer = await api.principal('viewer', api.scopeId, ['viewer'])
    expect((await api.call('/hosts', { token: viewer })).status).toBe(200)
    // The right comes before the shape: nobody learns what a body should look like by guessing.
    for (const [method, path] of [
      ['POST', '/executions'],
      ['POST', '/join-tokens'],
      ['PATCH', '/hosts/1/labels'],
      ['POST', '/hosts/1/revoke'],
      ['PUT', '/groups/g'],
      ['DELETE', '/groups/g'],
      ['GET', '/join-tokens'],
    ] as const) {
      const answer = await api.call(path, {
        method,
        token: viewer,
        ...(method === 'GET' ? {} : { raw: 'not even JSON' }),
      })
      expect([path, answer.status, answer.body.code]).toEqual([path, 403, 'permission_denied'])
    }
  })

  it('tells a caller who they are', async () => {
    const answer = await api.call('/api/v1/whoami')
    expect(answer.body).toMatchObject({
      principal: { name: 'admin' },
      roles: { default: ['admin'] },
      server: { version: expect.any(String) },
    })
  })
})

describe('idempotency', () => {
  it('launches once for one key, even when two processes are asked at the same time', async () => {
    const before = await countExecutions()
    const asked = Array.from({ length: 12 }, (_, i) =>
      api.call('/executions', { ...launch('rack=a'), key: 'at-once', api: (i % 2) as 0 | 1 }),
    )
    const answers = await Promise.all(asked)
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(answers.map((answer) => answer.status)).toEqual(Array(12).fill(201))
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true')).toHaveLength(11)
    expect(await countExecutions()).toBe(before + 1)
  })

  it('refuses the key for another request', async () => {
    await api.call('/executions', { ...launch('rack=a'), key: 'used' })
    for (const [path, call] of [
      ['/executions', launch('rack=b')],
      ['/groups/used', { method: 'PUT', body: { target: 'rack=a' } }],
    ] as const) {
      const answer = await api.call(path, { ...call, key: 'used' })
      expect([answer.status, answer.body.code]).toEqual([409, 'idempotency_conflict'])
    }
  })

  it('keeps keys of different callers apart', async () => {
    const someone = await api.principal('someone', api.scopeId, ['operator'])
    const mine = await api.call('/executions', { ...launch('rack=a'), key: 'shared' })
    const theirs = await api.call('/executions', { ...launch('rack=b'), key: 'shared', token: someone })
    expect([mine.status, theirs.status]).toEqual([201, 201])
    expect(mine.body['id']).not.toBe(theirs.body['id'])
  })

  it('lets a request that failed be made again with its key', async () => {
    const call: Call = { ...launch('rack=c'), key: 'later' }
    expect((await api.call('/executions', call)).body.code).toBe('target_empty')
    await api.addHosts(api.scopeId, ['rack-c-1'], { rack: 'c' })
    expect((await api.call('/executions', call)).status).toBe(201)
  })

  it('writes the audit row first, and does nothing when it cannot', async () => {
    const before = await countExecutions()
    await api.pool.query('alter table audit rename to audit_away')
    const answer = await api.call('/executions', launch('rack=a'))
    await api.pool.query('alter table audit_away rename to audit')
    expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
    expect(await countExecutions()).toBe(before)
  })

  it('leaves a chain of audit rows that holds, with who and what but no script', async () => {
    await api.call('/executions', launch('rack=a', { script: script('echo canary-7531') }))
    expect(await findAuditBreak(api.pool, api.scopeId)).toBeUndefined()
    const rows = await api.pool.query<{ action: string; detail: Record<string, unknown> }>(
      'select action, detail from audit order by seq desc limit 1',
    )
    const sha256 = createHash('sha256').update('echo canary-7531').digest('hex')
    expect(rows.rows[0]).toMatchObject({
      action: 'launch-execution',
      detail: { target: 'rack=a', scripts: [sha256] },
    })
    expect(JSON.stringify(rows.rows)).not.toContain('canary')
  })
})

describe('join tokens', () => {
  it('wait for the first worker, which makes the authority', async () => {
    const answer = await api.call('/join-tokens', { method: 'POST', body: {} })
    expect([answer.status, answer.body.code]).toEqual([503, 'unavailable'])
    expect(answer.body.detail).toMatch(/no worker has started/)
  })

  it('are shown once, to the token that asked, and kept as a hash', async () => {
    const { certificate, fingerprint } = await makeAuthority()
    const master = { id: 'test', key: Buffer.alloc(32) }
    await insertKey(
      api.pool,
      api.scopeId,
      { purpose: 'ca', id: 'ca-1', publicPart: certificate, privatePart: '-' },
      master,
    )
    const call: Call = { method: 'POST', body: { labels: { env: 'test' }, uses: 2 }, key: 'join' }
    const made = await api.call('/join-tokens', call)
    expect(made.status).toBe(201)
    const token = String(made.body['token'])
    expect(token).toMatch(/^drj_[A-Za-z0-9_-]{43}\./)
    expect(token.split('.')[1]).toBe(fingerprint)
    expect((await api.call('/join-tokens', call)).body['token']).toBe(token)
    // Only the holder of the token that asked can have it repeated: the database alone cannot tell it.
    const again = await api.principal('admin-2', api.scopeId, ['admin'])
    expect((await api.call('/join-tokens', { ...call, token: again })).body['token']).not.toBe(token)
    const kept = await api.pool.query(
      'select body from idempotency union all select to_jsonb(join_token) from join_token',
    )
    expect(JSON.stringify(kept.rows)).not.toContain(token.split('.')[0])
    const listed = await api.call('/join-tokens')
    expect(listed.text).not.toContain('drj_')
    const id = String(made.body['id'])
    expect((await api.call(`/join-tokens/${id}`, { method: 'DELETE' })).status).toBe(200)
    expect((await api.call(`/join-tokens/${id}`, { method: 'DELETE' })).body.code).toBe('join_token_unknown')
  })
})

async function makeAuthority(): Promise<{ certificate: string; fingerprint: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Drover test',
    keys,
    signingAlgorithm: algorithm,
  })
  return {
    certificate: made.toString('pem'),
    fingerprint: createHash('sha256').update(Buffer.from(made.rawData)).digest('base64url'),
  }
}

describe('hosts and groups', () => {
  it('pages through hosts without a gap or a repeat', async () => {
    const seen: string[] = []
    for (let after = ''; ; ) {
      const page = await api.call(`/hosts?limit=2${after && `&after=${after}`}`)
      const { items, next } = page.body as unknown as { items: { name: string }[]; next: string | null }
      seen.push(...items.map((host) => host.name))
      if (!next) break
      after = next
    }
    const all = await api.pool.query<{ name: string }>('select name from host where scope_id = 1 order by id')
    expect(seen).toEqual(all.rows.map((row) => row.name))
  })

  it('resolves a target to folded names in natural order', async () => {
    const answer = await api.call('/targets/resolve', {
      method: 'POST',
      body: { target: 'rack=a' },
      key: undefined,
    })
    expect(answer.body).toEqual({
      hosts: 3,
      nodeset: 'rack-a-[1-2,10]',
      names: ['rack-a-1', 'rack-a-2', 'rack-a-10'],
    })
  })

  it('sets and takes away labels', async () => {
    const set = await api.call('/hosts/1/labels', {
      method: 'PATCH',
      body: { labels: { env: 'prod', rack: null } },
    })
    expect(set.body['labels']).toEqual({ env: 'prod' })
    await api.call('/hosts/1/labels', { method: 'PATCH', body: { labels: { env: null, rack: 'a' } } })
  })

  it('freezes the hosts of a group when it is set', async () => {
    expect((await api.call('/groups/g1', { method: 'PUT', body: { target: 'rack=a' } })).body).toEqual({
      name: 'g1',
      hosts: 3,
    })
    await api.addHosts(api.scopeId, ['rack-a-11'], { rack: 'a' })
    const members = await api.call('/groups/g1')
    expect((members.body['items'] as { name: string }[]).map((member) => member.name)).toEqual([
      'rack-a-1',
      'rack-a-2',
      'rack-a-10',
    ])
    expect((await api.call('/groups/g1', { method: 'DELETE' })).status).toBe(200)
    expect((await api.call('/groups/g1')).body.code).toBe('group_unknown')
  })

  it('ends the identity of a revoked host', async () => {
    const [id] = await api.addHosts(api.scopeId, ['gone-1'])
    expect((await api.call(`/hosts/${id}/revoke`, { method: 'POST' })).body['state']).toBe('revoked')
    expect((await api.call('/executions', launch('name:gone-1'))).body.code).toBe('host_unknown')
    expect((await api.call(`/hosts/${id}/labels`, { method: 'PATCH', body: { labels: {} } })).body.code).toBe(
      'host_revoked',
    )
    expect((await api.call(`/hosts?includeRevoked=true&limit=1000`)).text).toContain('gone-1')
    expect((await api.call(`/hosts?limit=1000`)).text).not.toContain('gone-1')
  })
})

describe('launching', () => {
  it('asks for the number where many hosts are meant', async () => {
    await api.addHosts(
      api.scopeId,
      Array.from({ length: 12 }, (_, i) => `big-${i + 1}`),
      { fleet: 'big' },
    )
    const refused = await api.call('/executions', launch('name:big-[1-10]'))
    expect(refused.body).toMatchObject({ code: 'confirmation_required', details: { hosts: 10 } })
    expect((await api.call('/executions', launch('name:big-[1-10]', { confirm: 10 }))).status).toBe(201)
  })

  it('writes a plan with every host of every step, and shows it', async () => {
    const plan = {
      name: 'two steps',
      steps: [
        { name: 'first', script: 'true' },
        { name: 'second', script: 'false', onFailure: 'ignore', concurrency: '25%' },
      ],
    }
    const made = await api.call('/executions', {
      method: 'POST',
      body: { plan, target: 'name:rack-a-[1-2]' },
    })
    expect(made.body).toMatchObject({
      name: 'two steps',
      state: 'pending',
      hosts: 2,
      launchedBy: 'admin',
      trigger: 'api',
    })
    const id = String(made.body['id'])
    const shown = await api.call(`/executions/${id}`)
    expect(shown.body['steps']).toEqual([
      expect.objectContaining({ position: 0, name: 'first', counts: { pending: 2 } }),
      expect.objectContaining({ position: 1, name: 'second', counts: { pending: 2 } }),
    ])
    expect((shown.body['links'] as { temporal: string }).temporal).toContain(
      encodeURIComponent(`execution/default/${id}`),
    )
    const hosts = await api.call(`/executions/${id}/steps/1/hosts?state=pending,running&limit=1`)
    expect(hosts.body['items']).toEqual([
      expect.objectContaining({ hostName: 'rack-a-1', state: 'pending', started: 'no', attempt: 1 }),
    ])
    expect((await api.call(`/executions/${id}/steps/2/hosts`)).body.code).toBe('step_unknown')
    expect((await api.call('/executions?state=pending&limit=1')).body['items']).toEqual([
      expect.objectContaining({ id }),
    ])
  })
})

describe('the document', () => {
  const committed = join(__dirname, '../../docs/reference/openapi.json')

  it('is the one that is committed', async () => {
    const answer = await api.call('/api/v1/openapi.json', { token: undefined })
    expect(answer.body).toEqual(JSON.parse(readFileSync(committed, 'utf8')))
  })

  it('names a policy for every operation, and an Idempotency-Key for every mutation but those that change nothing', () => {
    const { paths } = JSON.parse(readFileSync(committed, 'utf8')) as {
      paths: Record<string, Record<string, Record<string, unknown>>>
    }
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, op] of Object.entries(methods)) {
        expect([path, typeof op['x-drover-policy']]).toEqual([path, 'string'])
        const parameters = (op['parameters'] ?? []) as { name: string }[]
        const keyed = parameters.some((parameter) => parameter.name === 'Idempotency-Key')
        expect([op['operationId'], keyed]).toEqual([
          op['operationId'],
          method !== 'get' && !['resolve-target', 'preview-launch'].includes(String(op['operationId'])),
        ])
      }
    }
  })
})

describe('health', () => {
  it('says that it is up and ready, and counts what it answered', async () => {
    expect((await api.call('/healthz')).status).toBe(200)
    expect((await api.call('/readyz')).body).toMatchObject({ status: 'ready' })
    expect((await api.call('/metrics')).text).toMatch(
      /drover_api_requests_total\{operation="list-hosts",status="200"\} [1-9]/,
    )
  })
})
