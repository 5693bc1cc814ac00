/** Other spellings of every route: none gives anybody more than the plain one does, and none breaks the server. */
import { randomUUID } from 'node:crypto'
import type { Role } from '../../domain/role'
import { type LiveRoute, liveRoutes, parametersOf, pathOf, ruleOf } from '../helpers/live-routes'
import { type RawAnswer, rawBytes, rawRequest } from '../helpers/raw-http'
import { startTwoScopes, type Things, type TwoScopes } from '../helpers/two-scopes'

const routes = liveRoutes()
const closed = routes.filter((route) => ruleOf(route).may !== 'anyone')
const named = closed.map((route) => [route.name, route] as const)
let world: TwoScopes

beforeAll(async () => {
  world = await startTwoScopes()
}, 120_000)

afterAll(() => world?.close())

const affixes = [
  '/',
  '//',
  '.',
  '/.',
  '/..',
  '/../',
  '.json',
  ';',
  ';x=1',
  ';/',
  '%2f',
  '%2F..',
  '%252f',
  '%00',
  '%20',
  '%0a',
]
const inQuery = [
  '?',
  '?.css',
  '#x',
  '?/healthz',
  '/configs',
  '/healthz',
  '/openapi.json',
  '/__proto__',
  '/constructor',
]
const fronts = [
  '/',
  '//',
  '/.',
  '/healthz/..',
  '/healthz;',
  '/healthz/%2e%2e',
  '/api/v1/openapi.json/..',
  '/api/v1/openapi.json%2f..',
]

/** The path in other words. */
function mutationsOf(path: string): string[] {
  const [, id = ''] = /\/(\d+)(?=\/|$)/.exec(path) ?? []
  const inIds = id
    ? [
        '__proto__',
        `${id}%2f..`,
        `0${id}`,
        `%2b${id}`,
        `${id}.0`,
        `${id}e0`,
        `%20${id}`,
        `%d9%a1`,
        '-1',
        '0',
        `${id}%00`,
        `${id},${id}`,
        '9223372036854775808',
        `${id}%27--`,
      ]
    : []
  return [
    ...affixes.map((affix) => path + affix),
    ...inQuery.map((affix) => path + affix),
    ...fronts.map((front) => front + path),
    path.toUpperCase(),
    path.replace('/api/', '/API/'),
    path.replace('/api/', '/%61pi/'),
    path.replace('/v1/', '/v1//'),
    path.replace('/v1/', '/v1/./'),
    path.replace('/v1/', '/v1/x/../'),
    path.replace('/v1/', '/v1/%2e%2e/v1/'),
    path.replace('/v1/', '/v1/%252e%252e/v1/'),
    path.replace('/v1/', '/v1\\'),
    path.replace('/v1/', '/v01/'),
    path.replaceAll('/', '%2f').replace('%2f', '/'),
    ...[
      'DEFAULT',
      'default.',
      'default;',
      'default%00',
      'default%2f..%2fdefault',
      'other%2f..%2fdefault',
      'default%252f',
      '%64efault',
      '..',
      '.',
      '*',
      '%25',
      '__proto__',
      'constructor',
      'toString',
      '1',
      '%ff',
      '%f0%9f',
    ].map((scope) => path.replace('/default', `/${scope}`)),
    ...inIds.map((other) => path.replace(`/${id}`, `/${other}`)),
  ].filter((other) => other !== path)
}

function send(
  route: LiveRoute,
  path: string,
  token: string | undefined,
  more: Partial<LiveRoute & { headers: Record<string, string> }> = {},
): Promise<RawAnswer> {
  const method = more.method ?? route.method
  const sample = ruleOf(route).body?.()
  const body = sample === undefined || Buffer.isBuffer(sample) ? undefined : JSON.stringify(sample)
  return rawRequest(world.api.urls[0], {
    method,
    path,
    token,
    headers: { 'idempotency-key': randomUUID(), ...more.headers },
    ...(/^(GET|HEAD|TRACE|OPTIONS)$/.test(method) || body === undefined ? {} : { body }),
  })
}

/** Methods of all routes that the path fits. */
function methodsAt(path: string): string[] {
  const fits = (route: LiveRoute) => new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path)
  return closed.filter(fits).map((route) => route.method)
}

const mayViewer = (route: LiveRoute) => {
  const { may } = ruleOf(route)
  return may === 'any-token' || (Array.isArray(may) && (may as readonly Role[]).includes('viewer'))
}

/** Whoever has no right to the plain route, by what they hold. */
function strangersTo(route: LiveRoute): [who: string, token: string | undefined][] {
  const inScope = Array.isArray(ruleOf(route).may)
  return [
    ['nobody', undefined],
    ['a token that was never made', `drt_${'x'.repeat(43)}`],
    ...(inScope ? [['an admin of another scope', world.outsider] as [string, string]] : []),
    ...(mayViewer(route) ? [] : [['a viewer', world.holders.viewer] as [string, string]]),
  ]
}

async function countTraces(): Promise<unknown> {
  const { rows } = await world.api.pool.query(
    `select (select count(*) from audit) as audit, (select count(*) from idempotency) as keys, (select count(*) from host where state = 'revoked') as revoked`,
  )
  return rows[0]
}

/** At most `width` at once, in order. */
async function each<T>(list: readonly T[], work: (item: T) => Promise<void>, width = 8): Promise<void> {
  const queue = list.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

describe.each(named)('%s', (_name, route) => {
  const plain = () => pathOf(route, world.own.things)

  it('gives strangers nothing under any other spelling', async () => {
    const before = await countTraces()
    const asked = strangersTo(route).flatMap(([who, token]) =>
      mutationsOf(plain()).map((path) => ({ who, token, path })),
    )
    expect(asked.length).toBeGreaterThan(80)
    const wrong: unknown[] = []
    await each(asked, async ({ who, token, path }) => {
      const { status, text } = await send(route, path, token)
      if (status < 400 || status > 499) wrong.push({ who, path, status, text: text.slice(0, 200) })
    })
    expect(wrong).toEqual([])
    expect(await countTraces()).toEqual(before)
  })

  it('answers an admin under any other spelling without breaking', async () => {
    const things = ruleOf(route).uses ? await world.make('own') : world.own.things
    const wrong: unknown[] = []
    await each(mutationsOf(pathOf(route, things)), async (path) => {
      const { status, text } = await send(route, path, world.everywhere)
      if (status >= 500) wrong.push({ path, status, text: text.slice(0, 200) })
    })
    expect(wrong).toEqual([])
  })

  it('knows no other method, and is not talked into one by a header', async () => {
    const before = await countTraces()
    const known = new Set(methodsAt(plain()))
    const others = [
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'PROPFIND',
      'PURGE',
      'LINK',
      'M-SEARCH',
    ]
    for (const method of others.filter((name) => !known.has(name))) {
      for (const token of [undefined, world.everywhere])
        expect([method, (await send(route, plain(), token, { method })).status]).toEqual([method, 405])
    }
    const overrides = {
      'x-http-method-override': 'DELETE',
      'x-http-method': 'POST',
      'x-method-override': 'PUT',
    }
    const urls = {
      'x-original-url': '/healthz',
      'x-rewrite-url': '/healthz',
      'x-forwarded-prefix': '/healthz',
      'x-forwarded-host': 'localhost',
    }
    for (const [, token] of strangersTo(route)) {
      const answer = await send(route, plain(), token, { headers: { ...overrides, ...urls } })
      expect(answer.status).toBe((await send(route, plain(), token)).status)
      expect([401, 403, 404]).toContain(answer.status)
    }
    expect(await countTraces()).toEqual(before)
  })

  it('answers HEAD as it would GET, without the body', async () => {
    const hasGet = methodsAt(plain()).includes('GET')
    for (const [, token] of strangersTo(route)) {
      const get = await send(route, plain(), token, { method: 'GET' })
      const head = await send(route, plain(), token, { method: 'HEAD' })
      expect([head.status, head.text]).toEqual([hasGet ? get.status : 405, ''])
    }
  })
})

describe('the request line', () => {
  const head = (line: string, ...headers: string[]) =>
    `${[line, 'host: localhost', 'connection: close', ...headers].join('\r\n')}\r\n\r\n`

  it.each([
    ['an absolute address', 'GET http://evil.example/api/v1/whoami HTTP/1.1', 401],
    ['an absolute address that is none', 'GET http://[/api/v1/whoami HTTP/1.1', 404],
    ['an address that begins with two slashes', 'GET //api/v1/whoami HTTP/1.1', 404],
    ['a host that is none', 'GET //[ HTTP/1.1', 404],
    ['an asterisk', 'OPTIONS * HTTP/1.1', 404],
    ['half an escape', 'GET /api/v1/scopes/%zz/hosts HTTP/1.1', 400],
    ['raw bytes', 'GET /api/v1/scopes/\xff\xfe/hosts HTTP/1.1', 400],
    ['HTTP of another age', 'GET /api/v1/whoami HTTP/9.9', 400],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00', 400],
    [
      'two lengths',
      'POST /api/v1/scopes/default/executions HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2',
      400,
    ],
    [
      'a length and chunks',
      'POST /api/v1/scopes/default/executions HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked',
      400,
    ],
  ])('may hold %s', async (_what, line, status) => {
    const answer = await rawBytes(world.api.urls[0], Buffer.from(head(line), 'latin1'))
    expect(answer.split('\r\n')[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toContain('application/problem+json')
  })

  it('is not switched to another protocol', async () => {
    const upgrade = [
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    ]
    const bytes = `GET /api/v1/whoami HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\n${upgrade.join('\r\n')}\r\n\r\n`
    expect(await rawBytes(world.api.urls[0], bytes)).toMatch(/^HTTP\/1\.1 401 /)
  })

  it('is not taken for a tunnel', async () => {
    expect(await rawBytes(world.api.urls[0], head('CONNECT 127.0.0.1:22 HTTP/1.1'))).toBe('')
  })
})

it('keeps things of the sample in place', async () => {
  // A suite that only ever met 404 would prove nothing: the plain paths answer those who may.
  const things: Things = world.own.things
  for (const route of closed.filter((each) => each.method === 'GET' && parametersOf(each).length))
    expect([
      route.name,
      (await send(route, pathOf(route, things) + (ruleOf(route).query?.(things) ?? ''), world.everywhere))
        .status,
    ]).toEqual([route.name, 200])
})
