/** What a request may hold: origins, hostile JSON, SQL, file names, forged cursors, too much of everything. Nothing of it is more than data. */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { operations } from '../../api/routes'
import { start } from '../../api/server'
import { fullPath, type Operation } from '../../api/operation'
import { newJoinSecret } from '../../store/postgres/join-tokens'
import { newToken } from '../../store/postgres/principals'
import { liveRoutes, pathOf, ruleOf } from '../helpers/live-routes'
import { rawBytes, rawRequest } from '../helpers/raw-http'
import { startTwoScopes, type TwoScopes } from '../helpers/two-scopes'

let world: TwoScopes

beforeAll(async () => {
  world = await startTwoScopes()
}, 120_000)

afterAll(() => world?.close())

const routes = liveRoutes()
const send = (
  method: string,
  path: string,
  more: { body?: unknown; raw?: string; headers?: Record<string, string> } = {},
) =>
  rawRequest(world.api.urls[0], {
    method,
    path,
    token: world.everywhere,
    headers: { 'idempotency-key': randomUUID(), ...more.headers },
    ...(more.raw === undefined
      ? more.body === undefined
        ? {}
        : { body: JSON.stringify(more.body) }
      : { body: more.raw }),
  })
const pathTo = (op: Operation) =>
  fullPath(op).replaceAll(/\{(\w+)\}/g, (_whole, name: string) => world.own.things[name as 'scope'])

describe('a browser of somebody else', () => {
  const origins = [
    'null',
    'http://127.0.0.1',
    'https://127.0.0.1.evil.example',
    'http://localhost:1',
    'file://',
    'https://drover.example',
  ]

  it('is told of no origin that may read or send', async () => {
    for (const origin of origins) {
      for (const route of routes) {
        const path = pathOf(route, world.own.things)
        const preflight = await rawRequest(world.api.urls[0], {
          method: 'OPTIONS',
          path,
          headers: {
            origin,
            'access-control-request-method': route.method,
            'access-control-request-headers': 'authorization',
          },
        })
        expect(preflight.status).toBeGreaterThanOrEqual(route.path.startsWith('/api') ? 400 : 200)
        const answer = route.method === 'GET' ? await send('GET', path, { headers: { origin } }) : preflight
        for (const { headers } of [preflight, answer])
          expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
      }
    }
  })

  it('can send no form: without the header that only a script of ours sets, nothing is done', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'text/plain',
      'multipart/form-data; boundary=x',
    ]) {
      for (const route of routes.filter((each) => each.method !== 'GET')) {
        const answer = await rawRequest(world.api.urls[0], {
          method: route.method,
          path: pathOf(route, world.own.things),
          headers: {
            origin: 'https://evil.example',
            'content-type': type,
            cookie: `token=${world.everywhere}`,
          },
          body: '{"target":"*"}',
        })
        expect([route.name, answer.status]).toEqual([route.name, 401])
      }
    }
  })

  it('is given no cookie, and pages that run nothing', async () => {
    for (const route of routes.filter((each) => each.method === 'GET')) {
      const { headers } = await send('GET', pathOf(route, world.own.things))
      expect(headers['set-cookie']).toBeUndefined()
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['content-security-policy']).toMatch(/default-src 'self'/)
      expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    }
  })
})

describe('JSON', () => {
  const bodies = operations.filter((op) => op.body && !op.bytes)
  const poisons = [
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"prototype":{"polluted":1}}',
  ]
  const sampleOf = (op: Operation) => {
    const route = routes.find(
      (each) =>
        each.method === op.method.toUpperCase() && each.path === fullPath(op).replaceAll(/\{(\w+)\}/g, ':$1'),
    )
    return JSON.stringify((route && ruleOf(route).body?.()) ?? {})
  }

  it.each(bodies.map((op) => [op.name, op] as const))('poisons no prototype by %s', async (_name, op) => {
    const sample = sampleOf(op)
    expect(sample).not.toBe('{}')
    for (const poison of poisons) {
      const inner = poison.slice(1, -1)
      // On top, in every object inside, and instead of every object.
      const raws = [
        poison,
        sample.replaceAll('{', `{${inner},`).replaceAll(',}', '}'),
        sample.replace(/:"[^"]*"/, `:${poison}`),
        `[${poison}]`,
      ]
      for (const raw of raws) {
        const { status } = await send(op.method.toUpperCase(), pathTo(op), { raw })
        expect([raw, status < 500]).toEqual([raw, true])
        expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      }
    }
  })

  it('keeps no field that is called like a part of every object', async () => {
    const labels = '{"labels":{"__proto__":"x","constructor":"y"}}'
    const path = `/api/v1/scopes/default/hosts/${world.own.things.hostId}`
    await send('PATCH', `${path}/labels`, { raw: labels })
    const shown = JSON.parse((await send('GET', path)).text) as { labels: object }
    expect(Object.keys(shown.labels)).not.toContain('__proto__')
    const resolved = await send('POST', '/api/v1/scopes/default/targets/resolve', {
      body: { target: '__proto__' },
    })
    expect(JSON.parse(resolved.text)).toMatchObject({ code: 'target_invalid' })
  })

  it('may be deep, wide, long or odd, and is refused in words', async () => {
    const deep = (open: string, close: string) => open.repeat(200_000) + close.repeat(200_000)
    const raws = [
      deep('[', ']'),
      deep('{"a":', '}').replace('}', '1}'),
      `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
      `{"target":${'9'.repeat(10_000)}}`,
      '{"target":1e999}',
      `{"target":"${'\\u0000'.repeat(1000)}"}`,
      '{"target":"*","target":"name:x"}x',
      'null',
      'true',
      '""',
    ]
    for (const op of bodies) {
      for (const raw of raws) {
        const { status, text } = await send(op.method.toUpperCase(), pathTo(op), { raw })
        expect([op.name, raw.slice(0, 40), status, text.length < 4_000]).toEqual([
          op.name,
          raw.slice(0, 40),
          400,
          true,
        ])
      }
    }
  })
})

describe('a query', () => {
  const corpus = [
    "'",
    '"',
    "' or '1'='1",
    "'; drop table host; --",
    '1; select pg_sleep(5)',
    "1' and pg_sleep(5)::text='",
    '$1',
    '$$',
    '\\',
    '%',
    '_',
    '1) union select token_sha256::text from api_token --',
    '1/**/or/**/1=1',
    'id desc, (select pg_sleep(5))',
    '{"$gt":""}',
    '[$ne]=1',
    '${7*7}',
    '{{7*7}}',
    '<script>alert(1)</script>',
    '../../etc/passwd',
    '@/etc/passwd',
    'file:///etc/passwd',
    '\u202e',
    '😀'.repeat(50),
    '-1',
    '1e9',
    '0x10',
    'NaN',
    'null',
    'true;',
    '٣',
    'x'.repeat(6_000),
  ]
  const cases = operations.flatMap((op) =>
    Object.keys(op.query?.shape ?? {}).map((name) => [op.name, name, op] as const),
  )

  it.each(cases)('of %s takes whatever stands in `%s` for data', async (_op, name, op) => {
    const before = await world.api.pool.query('select count(*) as n from host')
    for (const text of corpus) {
      const startedAt = performance.now()
      const route = routes.find(
        (each) =>
          each.method === op.method.toUpperCase() &&
          each.path === fullPath(op).replaceAll(/\{(\w+)\}/g, ':$1'),
      )
      const other = route && op.write ? (ruleOf(route).query?.(world.own.things) ?? '?').slice(1) : ''
      const query = new URLSearchParams(op.write && name !== 'version' ? other : '')
      query.set(name, text)
      const { status, text: answer } = await send(
        op.method.toUpperCase(),
        `${pathTo(op)}?${query.toString()}`,
      )
      expect([text.slice(0, 50), status < 500]).toEqual([text.slice(0, 50), true])
      expect(answer).not.toMatch(/root:x:0|syntax error at or near|relation \\?"|invalid input syntax/)
      expect(performance.now() - startedAt).toBeLessThan(4_500)
    }
    expect((await world.api.pool.query('select count(*) as n from host')).rows).toEqual(before.rows)
  })

  it('has no name that nobody gave it', async () => {
    for (const op of operations.filter((each) => each.policy !== 'public')) {
      for (const name of [
        'sort',
        'fields',
        'filter',
        'order',
        '__proto__',
        'constructor',
        'scope_id',
        'debug',
        '_method',
      ]) {
        const { status } = await send(
          op.method.toUpperCase(),
          `${pathTo(op)}?${name}=1`,
          op.body && !op.bytes ? { body: {} } : {},
        )
        expect([op.name, name, status]).toEqual([op.name, name, 400])
      }
    }
  })
})

describe('texts that name files or commands', () => {
  it('stay what they are', async () => {
    const literal = [
      '@/etc/passwd',
      'file:///etc/passwd',
      '$(id)',
      '`id`',
      '${HOME}',
      '%s%n',
      '--version',
      '-rf',
      '../..',
      "'; id; '",
    ]
    const made = await send('POST', '/api/v1/scopes/default/executions', {
      body: {
        target: 'name:fixed',
        script: { script: '@/etc/passwd', arguments: literal, environment: { CANARY: '@/etc/passwd' } },
      },
    })
    expect(made.status).toBe(201)
    const { rows } = await world.api.pool.query<{ text: string; ir: string }>(
      `select (select string_agg(convert_from(s.content, 'UTF8'), ' ') from script_text s) as text, (select string_agg(p.body::text, ' ') from plan_ir p) as ir`,
    )
    expect(rows[0]?.text).toContain('@/etc/passwd')
    expect(rows[0]?.ir).toContain(JSON.stringify('@/etc/passwd'))
    expect(`${rows[0]?.text}${rows[0]?.ir}`).not.toContain('root:x:0')
    for (const target of ['@/etc/passwd', 'file:///etc/passwd', '-']) {
      const answer = await send('POST', '/api/v1/scopes/default/targets/resolve', { body: { target } })
      expect([target, answer.status]).toEqual([target, 400])
      expect(answer.text).not.toContain('root:')
    }
  })
})

describe('cursors', () => {
  const lists = operations.filter(
    (op) => op.query && 'after' in op.query.shape && op.name !== 'stream-events',
  )
  const encode = (text: string) => Buffer.from(text).toString('base64url')

  it.each(lists.map((op) => [op.name, op] as const))(
    'of %s give no scope and no list but their own',
    async (_name, op) => {
      await world.make('own')
      const theirs = pathTo(op)
        .replace('/default/', '/other/')
        .replaceAll(/(?<=\/)\d+(?=\/|$)/g, (id) =>
          id === world.own.things.executionId ? world.other.things.executionId : id,
        )
        .replace(world.own.things.group, world.other.things.group)
      const mine = await send('GET', `${pathTo(op)}?limit=1`)
      const { next } = JSON.parse(mine.text) as { next: string | null }
      const all = async (path: string) => {
        const { status, text } = await send('GET', path)
        expect([path, status]).toEqual([path, 200])
        return JSON.parse(text).items as unknown[]
      }
      if (next) {
        const whole = JSON.stringify(await all(`${theirs}?limit=1000`))
        for (const item of await all(`${theirs}?limit=1000&after=${next}`))
          expect(whole).toContain(JSON.stringify(item))
      }
      const kinds = ['host', 'group', 'member', 'join-token', 'execution', 'result', '', '__proto__']
      const positions = ["1' or 1=1", '-1', '9223372036854775808', '1e9', '', ' 1', '1\0', '𝟙', '1;2', '0x1']
      for (const forged of [
        ...kinds.flatMap((kind) => positions.map((position) => encode(`${kind}:${position}`))),
        '====',
        'AAAA',
        '%00',
        '../..',
        'x'.repeat(501),
      ]) {
        const { status } = await send('GET', `${pathTo(op)}?after=${encodeURIComponent(forged)}`)
        expect([forged, status < 500]).toEqual([forged, true])
        if (op.name !== 'list-groups')
          expect([Buffer.from(forged, 'base64url').toString(), status]).toEqual([expect.anything(), 400])
      }
    },
  )

  it('of a live stream, forged, are refused or tell of nothing that the caller could not read', async () => {
    const { executionId } = world.own.things
    const path = `/api/v1/scopes/default/executions/${executionId}/output/follow`
    const forged = [
      '',
      'AA',
      'AQ',
      'AQAAAAAAAA',
      '_____________________',
      Buffer.alloc(3_000, 0xff).toString('base64url'),
      Buffer.from([1, 0, 0, 1, 255, 127, 0, 0]).toString('base64url'),
    ]
    for (const id of forged) {
      const { status } = await send('GET', path, { headers: { 'last-event-id': id } })
      expect([200, 400]).toContain(status)
    }
    const swapped = path.replace(`/${executionId}/`, `/${world.other.things.executionId}/`)
    expect((await send('GET', swapped, { headers: { 'last-event-id': 'AQAAAQMAAA' } })).status).toBe(404)
  })
})

describe('many things in one request', () => {
  it('are refused together when one is of another scope, and nothing is made', async () => {
    const { own, other } = world
    const targets = [
      `id:${own.things.hostId},${other.things.hostId}`,
      `id:${own.things.hostId}\nid:${other.things.hostId}`,
      `name:fixed\ngroup:${other.things.group}`,
      `name:fixed\nrun:${other.things.executionId}`,
      `name:fixed\nrun:r-${other.things.executionId}:failed`,
    ]
    const bodies: [string, string, (target: string) => unknown][] = [
      ['POST', '/executions', (target) => ({ target, script: { script: 'true' } })],
      ['POST', '/targets/resolve', (target) => ({ target })],
      ['PUT', '/groups/mixed', (target) => ({ target })],
      ['POST', '/hosts/upgrade', (target) => ({ target, version: 'sample' })],
    ]
    const count = () => world.api.pool.query('select count(*) as n from execution')
    const before = await count()
    for (const target of targets) {
      for (const [method, path, body] of bodies) {
        const answer = await send(method, `/api/v1/scopes/default${path}`, { body: body(target) })
        expect([path, target, answer.status]).toEqual([path, target, 404])
        expect(answer.text).not.toContain('host-')
      }
      expect(
        (await send('GET', `/api/v1/scopes/default/hosts?target=${encodeURIComponent(target)}`)).status,
      ).toBe(404)
    }
    expect((await count()).rows).toEqual(before.rows)
    expect((await send('GET', '/api/v1/scopes/default/groups/mixed')).status).toBe(404)
    const follow = `/api/v1/scopes/default/executions/${own.things.executionId}/output/follow?hostIds=${own.things.hostId},${other.things.hostId}`
    expect((await send('GET', follow)).status).toBe(404)
  })

  it('cannot name a scope of their own', async () => {
    for (const field of ['scope', 'scopeId', 'scope_id', 'principalId', 'launchedBy']) {
      const body = { target: 'name:fixed', script: { script: 'true' }, [field]: world.other.id }
      expect((await send('POST', '/api/v1/scopes/default/executions', { body })).status).toBe(400)
    }
  })
})

describe('limits', () => {
  it('refuse a stranger before their body is read, and even before it is sent', async () => {
    const head = [
      'POST /api/v1/scopes/default/executions HTTP/1.1',
      'host: localhost',
      'content-type: application/json',
      'content-length: 8000000',
      'connection: close',
    ]
    const answer = await firstBytes(`${head.join('\r\n')}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  })

  /** What comes back while nothing more is sent. */
  function firstBytes(bytes: string): Promise<string> {
    const { hostname, port } = new URL(world.api.urls[0])
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(bytes))
      socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')))
      socket.once('data', (piece) => {
        resolve(piece.toString())
        socket.destroy()
      })
      socket.once('error', reject)
    })
  }

  it.each([
    ['a header of 20 KB', `x-large: ${'x'.repeat(20_000)}`],
    ['an address of 20 KB', ''],
    ['a thousand headers', Array.from({ length: 1_000 }, (_, i) => `x-${i}: ${'y'.repeat(20)}`).join('\r\n')],
  ])('answer %s with 431, in words', async (what, header) => {
    const path = what.includes('address') ? `/api/v1/whoami?${'x'.repeat(20_000)}` : '/api/v1/whoami'
    const answer = await rawBytes(
      world.api.urls[0],
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close${header && `\r\n${header}`}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(answer).toContain('"code":"headers_too_large"')
  })

  it('end connections that send a request too slowly, and serve others meanwhile', async () => {
    await using slow = await start(world.api.config, { limits: { headersMs: 300, wholeMs: 900 } })
    const ask = `POST /api/v1/scopes/default/executions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${world.everywhere}\r\nidempotency-key: slow\r\ncontent-type: application/json\r\n`
    const [noHead, noBody, other] = await Promise.all([
      rawBytes(slow.url, 'GET /api/v1/whoami HTTP/1.1\r\nhost:'),
      rawBytes(slow.url, `${ask}content-length: 100\r\n\r\n{"target"`),
      rawRequest(slow.url, { path: '/api/v1/whoami', token: world.everywhere }),
    ])
    expect(noHead).toContain('"code":"request_too_slow"')
    expect(noBody).toMatch(/^HTTP\/1\.1 408 |^$/)
    expect(other.status).toBe(200)
  })

  it('survive a client that leaves in the middle of its body, and count no fault', async () => {
    const { hostname, port } = new URL(world.api.urls[0])
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /api/v1/scopes/default/executions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${world.everywhere}\r\ncontent-length: 100\r\n\r\n{`,
        )
        setTimeout(() => socket.resetAndDestroy(), 200)
      })
      socket.on('close', () => resolve())
      socket.on('error', () => undefined)
    })
    expect((await send('GET', '/api/v1/whoami')).status).toBe(200)
    expect((await rawRequest(world.api.urls[0], { path: '/metrics' })).text).not.toMatch(
      /operation="launch-execution",status="50/,
    )
  })
})

describe('secrets in answers', () => {
  it('are told once at their making, and by no route ever again', async () => {
    const made = await send('POST', '/api/v1/scopes/default/join-tokens', { body: {} })
    const secret = String(JSON.parse(made.text).token)
    const known = [
      world.everywhere,
      world.outsider,
      ...Object.values(world.holders),
      world.api.token,
      secret,
      secret.split('.')[0] ?? '',
    ]
    const { rows } = await world.api.pool.query<{ hex: string }>(
      `select encode(token_sha256, 'hex') as hex from api_token union select encode(token_sha256, 'base64') from api_token`,
    )
    const hidden = [...known, ...rows.map((row) => row.hex)]
    for (const route of routes) {
      for (const path of [pathOf(route, world.own.things), `${pathOf(route, world.own.things)}/nothing`]) {
        const { text, headers } = await send(
          route.method,
          path,
          route.method === 'GET' ? {} : { body: { wrong: world.everywhere } },
        )
        // A fault that names the wrong field must not repeat what stood in it.
        for (const one of hidden)
          expect([route.name, (text + JSON.stringify(headers)).includes(one)]).toEqual([route.name, false])
      }
    }
  })

  it('are random in every bit', () => {
    for (const make of [() => newToken().slice(4), () => newJoinSecret().slice(4)]) {
      const made = Array.from({ length: 2_000 }, make)
      expect(new Set(made).size).toBe(2_000)
      const bytes = made.map((text) => Buffer.from(text, 'base64url'))
      expect(new Set(bytes.map((each) => each.length))).toEqual(new Set([32]))
      for (let bit = 0; bit < 256; bit++) {
        const ones = bytes.filter((each) => (each[bit >> 3] ?? 0) & (1 << (bit & 7))).length
        // Six standard deviations: one false alarm in two million runs of this line.
        expect(Math.abs(ones - 1_000)).toBeLessThan(135)
      }
    }
  })
})
