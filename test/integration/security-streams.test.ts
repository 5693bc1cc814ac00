/** Live answers and the right to them: whoever loses the right loses the stream, and a resume id gives none back. */
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { watchRight } from '../../api/auth/watch-right'
import { isStoreAway } from '../../api/error-handler'
import { startTwoScopes, type TwoScopes } from '../helpers/two-scopes'

/** The right is looked at every 3 s; a loaded machine may be late. */
const ENDS_WITHIN_MS = 8_000
let world: TwoScopes

beforeAll(async () => {
  world = await startTwoScopes()
}, 120_000)

afterAll(() => world?.close())

interface Live {
  status: number
  lastId: string | undefined
  /** Resolves with how long after now the server ended it. */
  ended: Promise<void>
  close(): void
}

/** An open stream, its first bytes read. */
function open(path: string, token: string, headers: Record<string, string> = {}): Promise<Live> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      world.api.urls[0] + path,
      {
        agent: new Agent(),
        headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...headers },
      },
      (incoming) => {
        const ended = new Promise<void>((done) => {
          incoming.once('close', () => done())
        })
        incoming.on('error', () => undefined)
        const status = incoming.statusCode ?? 0
        const live = (piece = '') => ({
          status,
          ended,
          lastId: /^id: (.+)$/m.exec(piece)?.[1],
          close: () => outgoing.destroy(),
        })
        if (status === 200) incoming.once('data', (piece: Buffer) => resolve(live(piece.toString())))
        else resolve(live())
        incoming.resume()
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })
}

const within = async (ended: Promise<void>) => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('still open'), ENDS_WITHIN_MS)
  })
  const how = await Promise.race([ended.then(() => 'ended'), late])
  clearTimeout(timer)
  return how
}

const ofName = '(select id from principal where name = $1)'
const losses: [how: string, sql: string][] = [
  ['the token is revoked', `update api_token set revoked_at = now() where principal_id = ${ofName}`],
  ['the token expires', `update api_token set expires_at = now() where principal_id = ${ofName}`],
  ['the principal is disabled', 'update principal set disabled_at = now() where name = $1'],
  ['the role is taken away', `delete from role_grant where principal_id = ${ofName}`],
]

describe.each(losses)('when %s', (how, sql) => {
  it('live events and live output end, for nobody else, and do not resume', async () => {
    const { executionId } = world.own.things
    const token = await world.api.principal(how, world.own.id, ['viewer'])
    const paths = ['events', 'output/follow'].map(
      (rest) => `/api/v1/scopes/default/executions/${executionId}/${rest}`,
    )
    const theirs = await Promise.all(paths.map((path) => open(path, token)))
    const others = await Promise.all(paths.map((path) => open(path, world.holders.viewer)))
    expect([...theirs, ...others].map((live) => live.status)).toEqual([200, 200, 200, 200])
    await world.api.pool.query(sql, [how])
    expect(await Promise.all(theirs.map((live) => within(live.ended)))).toEqual(['ended', 'ended'])
    expect(await Promise.race([...others.map((live) => live.ended), Promise.resolve('open')])).toBe('open')
    for (const [index, path] of paths.entries()) {
      const again = await open(path, token, { 'last-event-id': theirs[index]?.lastId ?? '1' })
      expect([401, 404]).toContain(again.status)
    }
    for (const live of others) live.close()
  }, 60_000)
})

it('cuts off a client that does not read, too', async () => {
  const { executionId } = world.own.things
  const token = await world.api.principal('lazy', world.own.id, ['viewer'])
  const { hostname, port } = new URL(world.api.urls[0])
  const socket = connect(Number(port), hostname)
  socket.write(
    `GET /api/v1/scopes/default/executions/${executionId}/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Bearer ${token}\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('readable', resolve))
  await world.api.pool.query(`update api_token set revoked_at = now() where principal_id = ${ofName}`, [
    'lazy',
  ])
  const ended = new Promise<void>((resolve) => {
    socket.on('error', () => resolve())
    socket.on('close', () => resolve())
    socket.on('end', () => resolve())
    setTimeout(() => socket.resume(), ENDS_WITHIN_MS - 2_000)
  })
  expect(await within(ended)).toBe('ended')
  socket.destroy()
}, 60_000)

it('takes a database that is away for no refusal', async () => {
  const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  expect(isStoreAway(away)).toBe(true)
  let asked = 0
  using watch = watchRight(() => {
    asked++
    return Promise.reject(away)
  }, 5)
  while (asked < 3) await delay(5)
  expect(watch.lost.aborted).toBe(false)
})
