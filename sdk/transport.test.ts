/** Calls while the server is away. */
import { type Connection, send } from './transport.js'

function connection(answers: (Response | Error)[]): Connection & { keys: (string | null)[] } {
  const keys: (string | null)[] = []
  return {
    url: 'http://drover.test',
    token: 'drt_x',
    retries: 4,
    keys,
    fetch: async (input) => {
      keys.push(input instanceof Request ? input.headers.get('idempotency-key') : null)
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return answer ?? new Response('{}')
    },
  }
}

const problem = (status: number, body: object) => new Response(JSON.stringify(body), { status })
const request = () =>
  new Request('http://drover.test/x', { method: 'POST', headers: { 'idempotency-key': 'k' }, body: '{}' })

describe('send', () => {
  it('repeats with the same key while the server is away', async () => {
    const away = connection([
      new TypeError('fetch failed'),
      problem(503, { code: 'unavailable', detail: '' }),
    ])
    expect((await send(away, request())).status).toBe(200)
    expect(away.keys).toEqual(['k', 'k', 'k'])
  })

  it('does not repeat what was decided', async () => {
    const decided = connection([
      problem(503, { code: 'unavailable', detail: '', details: { decided: true } }),
    ])
    expect((await send(decided, request())).status).toBe(503)
    expect(decided.keys).toHaveLength(1)
  })

  it.each([400, 401, 404, 409, 500])('does not repeat a %d', async (status) => {
    const refused = connection([problem(status, { code: 'x', detail: '' })])
    expect((await send(refused, request())).status).toBe(status)
    expect(refused.keys).toHaveLength(1)
  })

  it('says which server did not answer, and that a repeat is safe', async () => {
    const gone = {
      ...connection(
        Array.from({ length: 2 }, () => new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })),
      ),
      retries: 1,
    }
    await expect(send(gone, request())).rejects.toMatchObject({
      code: 'unavailable',
      status: 0,
      retryable: true,
      detail: 'no answer from http://drover.test: ECONNREFUSED',
    })
  })
})
