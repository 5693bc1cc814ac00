/** Every live route × every credential × every scope, against a policy that is written down apart from the code. */
import { randomUUID } from 'node:crypto'
import { request } from 'node:https'
import { type Role, roles } from '../../domain/role'
import { newToken } from '../../store/postgres/principals'
import { type LiveRoute, liveRoutes, parametersOf, pathOf, ruleOf } from '../helpers/live-routes'
import { makeForeignCertificate } from '../helpers/raw-agent'
import { type RawAnswer, rawRequest } from '../helpers/raw-http'
import { policy } from '../helpers/route-policy'
import { startTwoScopes, type Things, type TwoScopes } from '../helpers/two-scopes'

const routes = liveRoutes()
const scoped = routes.filter((route) => Array.isArray(ruleOf(route).may))
const named = (list: readonly LiveRoute[]) => list.map((route) => [route.name, route] as const)
let world: TwoScopes

beforeAll(async () => {
  world = await startTwoScopes()
}, 120_000)

afterAll(() => world?.close())

/** The route's sample request; `spoilt` sends what is not even JSON, which only somebody without the right is not told. */
async function ask(
  route: LiveRoute,
  token: string | undefined,
  things: Things,
  more: { spoilt?: boolean; headers?: Record<string, string>; query?: string } = {},
): Promise<RawAnswer> {
  const rule = ruleOf(route)
  const sample = more.spoilt ? 'not even JSON' : rule.body?.()
  const isBytes = Buffer.isBuffer(sample)
  const body = isBytes || typeof sample === 'string' || sample === undefined ? sample : JSON.stringify(sample)
  return rawRequest(world.api.urls[0], {
    method: route.method,
    path: pathOf(route, things) + (more.query ?? (more.spoilt ? '?nonsense' : (rule.query?.(things) ?? ''))),
    token,
    headers: {
      'idempotency-key': randomUUID(),
      ...(isBytes ? { 'content-type': 'application/octet-stream' } : {}),
      ...more.headers,
    },
    ...(route.method === 'GET' || body === undefined ? {} : { body }),
  })
}

const withoutId = (text: string, id: string) => text.replaceAll(new RegExp(`\\b${id}\\b`, 'g'), 'ID')
const codeOf = (answer: RawAnswer) => (JSON.parse(answer.text) as { code?: string }).code
const says = (answer: RawAnswer) => [answer.status, codeOf(answer)]

describe('the route inventory', () => {
  it('is exactly the policy: no route without a decision, no decision without a route', () => {
    expect(routes.map((route) => route.name).sort()).toEqual(Object.keys(policy).sort())
  })

  it('has no route twice, which could shadow a stricter one', () => {
    const names = routes.map((route) => route.name)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  it('leaves nothing public but health, metrics and the document', () => {
    const open = routes.filter((route) => ruleOf(route).may === 'anyone').map((route) => route.path)
    expect(open.sort()).toEqual(['/api/v1/openapi.json', '/healthz', '/metrics', '/readyz'])
  })
})

describe.each(named(scoped))('%s', (_name, route) => {
  const rule = ruleOf(route)

  it.each(roles)('gives a %s of the scope what the policy says', async (role: Role) => {
    const things = rule.uses ? await world.make('own') : world.own.things
    const mayDo = (rule.may as readonly Role[]).includes(role)
    const answer = await ask(route, world.holders[role], things, { spoilt: !mayDo })
    if (mayDo)
      expect([answer.status, answer.text.slice(0, 300)]).toEqual([rule.status ?? 200, expect.anything()])
    else expect(says(answer)).toEqual([403, 'permission_denied'])
  })

  it('is not there for an admin of another scope, as in a scope that nobody made', async () => {
    const asked = { spoilt: true }
    const other = await ask(route, world.outsider, world.own.things, asked)
    const never = await ask(route, world.outsider, { ...world.own.things, scope: 'nowhere' }, asked)
    expect([says(other), says(never)]).toEqual([
      [404, 'scope_unknown'],
      [404, 'scope_unknown'],
    ])
    const told = (answer: RawAnswer, scope: string) => {
      const { requestId: _id, ...rest } = JSON.parse(answer.text.replaceAll(scope, '#'))
      return rest
    }
    expect(told(other, 'default')).toEqual(told(never, 'nowhere'))
  })

  it('gives a viewer here who is an admin elsewhere only what a viewer may', async () => {
    const token = await makePrincipal(['viewer'], ['admin'])
    const mayDo = (rule.may as readonly Role[]).includes('viewer')
    const answer = await ask(route, token, world.own.things, { spoilt: !mayDo })
    expect(answer.status).toBe(mayDo ? (rule.status ?? 200) : 403)
  })

  it('gives nothing to a principal without any role', async () => {
    const answer = await ask(route, await makePrincipal([], []), world.own.things, { spoilt: true })
    expect(says(answer)).toEqual([404, 'scope_unknown'])
  })

  const ids = rule.makes
    ? []
    : parametersOf(route).filter((name) => /Id$|^(group|script|job|plan)$/.test(name))
  if (ids.length)
    it.each(ids)('answers a %s of another scope as one that does not exist', async (name) => {
      const absent = name.endsWith('Id') ? '999999999' : 'nobody'
      const answers: unknown[] = []
      for (const id of [world.other.things[name as keyof Things], absent]) {
        const answer = await ask(route, world.everywhere, { ...world.own.things, [name]: id })
        expect(answer.status).toBe(404)
        const { requestId: _id, ...rest } = JSON.parse(withoutId(answer.text, id))
        answers.push(rest, Object.keys(answer.headers).sort())
      }
      expect(answers.slice(0, 2)).toEqual(answers.slice(2))
    })
})

async function makePrincipal(here: Role[], there: Role[]): Promise<string> {
  const name = randomUUID()
  const token = await world.api.principal(name, world.own.id, here)
  for (const role of there) {
    await world.api.pool.query(
      'insert into role_grant (scope_id, principal_id, role) select $1, id, $2 from principal where name = $3',
      [world.other.id, role, name],
    )
  }
  return token
}

describe('a credential that does not hold', () => {
  /** By what is wrong with it: a token, or headers instead of one. */
  const bad: Record<string, { token?: string; headers?: Record<string, string>; query?: string }> = {}

  beforeAll(async () => {
    const { api, own, everywhere } = world
    const change = async (name: string, sql: string) => {
      const token = await api.principal(name, own.id, ['admin'])
      await api.pool.query(sql, [name])
      return { token }
    }
    const ofPrincipal = '(select id from principal where name = $1)'
    const { certificate } = await makeForeignCertificate('1')
    const joining = await api.call('/join-tokens', { method: 'POST', body: {} })
    const joinToken = String(joining.body['token'])
    Object.assign(bad, {
      none: {},
      'an empty one': { headers: { authorization: '' } },
      'a scheme without a token': { headers: { authorization: 'Bearer ' } },
      'basic authentication': { headers: { authorization: `Basic ${btoa(`admin:${everywhere}`)}` } },
      'a token without its scheme': { headers: { authorization: everywhere } },
      'a good token and something after it': { headers: { authorization: `Bearer ${everywhere} x` } },
      'two tokens in one header': { headers: { authorization: `Bearer ${everywhere},Bearer ${everywhere}` } },
      'one that was never made': { token: newToken() },
      'a good one without its last letter': { token: everywhere.slice(0, -1) },
      'a good one in other letters': { token: `drt_${everywhere.slice(4).toLowerCase()}` },
      'the sha256 of a good one': { token: await hashOf(own.id) },
      SQL: { headers: { authorization: `Bearer drt_' or 1=1 --aaaaaaaaaaaaaaaa` } },
      'an expired one': {
        token: await api.principal('expired', own.id, ['admin'], new Date(Date.now() - 1_000)),
      },
      'a revoked one': await change(
        'revoked',
        `update api_token set revoked_at = now() where principal_id = ${ofPrincipal}`,
      ),
      'one of a disabled principal': await change(
        'disabled',
        'update principal set disabled_at = now() where name = $1',
      ),
      'a join token': { token: joinToken },
      'the secret of a join token as an API token': { token: joinToken.replace('drj_', 'drt_') },
      'a certificate of a host': { token: btoa(certificate).slice(0, 200) },
      'certificate headers of a proxy': {
        headers: {
          'x-forwarded-client-cert': certificate.replaceAll('\n', ''),
          'x-ssl-client-verify': 'SUCCESS',
        },
      },
      'a good one in the query': { query: `?access_token=${everywhere}&token=${everywhere}` },
      'a good one in a cookie': {
        headers: { cookie: `token=${everywhere}; authorization=Bearer ${everywhere}` },
      },
      'a good one in other headers': {
        headers: {
          'x-api-key': everywhere,
          'x-auth-token': everywhere,
          'proxy-authorization': `Bearer ${everywhere}`,
        },
      },
      'headers that name a user': { headers: { 'x-remote-user': 'admin', 'x-forwarded-user': 'admin' } },
    })
  })

  async function hashOf(scopeId: string): Promise<string> {
    const { rows } = await world.api.pool.query<{ hex: string }>(
      `select encode(token_sha256, 'hex') as hex from api_token where scope_id = $1 limit 1`,
      [scopeId],
    )
    return `drt_${rows[0]?.hex}`
  }

  const closed = routes.filter((route) => ruleOf(route).may !== 'anyone')
  it.each(named(closed))('opens nothing at %s', async (_name, route) => {
    expect(Object.keys(bad).length).toBeGreaterThan(20)
    for (const [what, credential] of Object.entries(bad)) {
      const answer = await ask(route, credential.token, world.own.things, { ...credential, spoilt: true })
      const code =
        /^(none|certificate headers|a good one in (the query|a cookie|other headers)|headers that)/.test(what)
          ? 'credential_missing'
          : expect.stringMatching(/^credential_(missing|invalid)$/)
      expect([what, ...says(answer)]).toEqual([what, 401, code])
    }
  })

  it.each(named(routes.filter((route) => ruleOf(route).may === 'anyone')))(
    'does not close %s, which is open to anyone',
    async (_name, route) => {
      for (const { token, headers = {} } of Object.values(bad))
        expect((await ask(route, token, world.own.things, { headers })).status).toBe(200)
    },
  )

  it('leaves no trace in the audit log and makes nothing', async () => {
    const count = async () => {
      const { rows } = await world.api.pool.query(
        'select (select count(*) from audit) as audit, (select count(*) from execution) as runs, (select count(*) from idempotency) as keys',
      )
      return rows[0]
    }
    const before = await count()
    for (const route of closed)
      for (const credential of Object.values(bad))
        await ask(route, credential.token, world.own.things, credential)
    expect(await count()).toEqual(before)
  })
})

describe('a certificate of a host', () => {
  it('is none at the API: a host that shows it over TLS is a stranger', async () => {
    const server = await makeForeignCertificate('server')
    const host = await makeForeignCertificate(world.own.things.hostId)
    await using api = await world.api.startApi({ tls: { cert: server.certificate, key: server.key } })
    for (const route of routes.filter((each) => ruleOf(each).may !== 'anyone')) {
      const status = await new Promise((resolve, reject) => {
        const { hostname, port } = new URL(api.url)
        const path = pathOf(route, world.own.things)
        const shown = {
          cert: host.certificate,
          key: host.key,
          rejectUnauthorized: false,
          agent: false as const,
        }
        request({ hostname, port, path, method: route.method, ...shown }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
          .on('error', reject)
          .end()
      })
      expect([route.name, status]).toEqual([route.name, 401])
    }
  })
})

it('tells anybody with a token who they are, and no more', async () => {
  const route = routes.find((each) => each.path === '/api/v1/whoami')
  expect(ruleOf(route as LiveRoute).may).toBe('any-token')
  const answer = await ask(route as LiveRoute, world.outsider, world.own.things)
  expect(JSON.parse(answer.text)).toMatchObject({
    principal: { name: 'outsider' },
    roles: { other: ['admin'] },
  })
  expect(answer.text).not.toContain('default')
})
