/** The scenario about one request that is sent twice: to two API processes at once, with another body, by somebody else. */
import { randomUUID } from 'node:crypto'
import type { ScopeId } from '../../domain/id'
import { grantRole, insertPrincipal, insertToken, newToken } from '../../store/postgres/principals'
import { TestApi } from '../helpers/api'
import { Scene } from '../helpers/scene'

const AT_ONCE = 12

describe('the same request twice', () => {
  let scene: Scene
  const listens = new Map<string, string>()

  beforeAll(async () => {
    const adjustEnv = (child: string, env: Record<string, string | undefined>) => {
      const listen = env['DROVER_API_LISTEN']
      if (listen) listens.set(child, listen)
      return env
    }
    scene = await Scene.start({ agents: 2, apis: 2, adjustEnv })
  }, 120_000)

  afterAll(async () => {
    await scene?.close()
  }, 60_000)

  /** The API process of a name, as the holder of a token. */
  const apiOf = (name: string, token = scene.platform.token) =>
    new TestApi({ url: `http://${listens.get(name)}`, token })

  const launch = (body: string) => ({
    target: '*',
    script: { language: 'sh', script: `${scene.effects.line('start')}\n${body}` },
  })

  async function operator(): Promise<string> {
    const { rows } = await scene.pool.query<{ id: ScopeId }>(`select id from scope where name = 'default'`)
    const scopeId = rows[0]!.id
    const token = newToken()
    const principalId = await insertPrincipal(scene.pool, { scopeId, kind: 'service', name: 'someone else' })
    await grantRole(scene.pool, scopeId, principalId, 'operator')
    await insertToken(scene.pool, { scopeId, principalId, name: 'test', token })
    return token
  }

  it('scenario 08: is one run by two processes at once, a conflict with another body, and its own by another caller', async () => {
    const key = randomUUID()
    const [first, second] = [apiOf('api-1'), apiOf('api-2')]
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, n) =>
        (n % 2 ? second : first).call<{ id: string }>('POST', '/executions', launch('true'), key),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(AT_ONCE).fill(201))
    const ids = [...new Set(answers.map(({ body }) => body.id))]
    expect(ids).toHaveLength(1)

    for (const api of [first, second]) {
      const other = await api.call<{ code: string }>('POST', '/executions', launch('false'), key)
      expect([other.status, other.body.code]).toEqual([409, 'idempotency_conflict'])
    }

    const theirs = await apiOf('api-2', await operator()).call<{ id: string }>(
      'POST',
      '/executions',
      launch('true'),
      key,
    )
    expect(theirs.status).toBe(201)
    expect(ids).not.toContain(theirs.body.id)

    for (const id of [...ids, theirs.body.id]) {
      expect(await first.ended(id)).toMatchObject({ state: 'succeeded' })
      // Two hosts, each once.
      expect([...scene.effects.count(id).values()]).toEqual([1, 1])
    }
    await scene.expectReplays()
  })
})
