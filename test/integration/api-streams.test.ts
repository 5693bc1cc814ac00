/** What the API streams, and what it does while a store is away: events and output resumed to the byte, nothing lost or repeated. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HostId } from '../../domain/id'
import { parseEvents, type SseEvent } from '../../sdk/sse'
import { createDrover, type OutputEvent } from '../../sdk/index'
import { dispatchKey } from '../../store/log/dispatch-key'
import { appendEvents } from '../../store/postgres/events'
import { transaction } from '../../store/postgres/transaction'
import { untilLockWait } from '../helpers/lock-waits'
import { dispatchId } from '../../proto/dispatch-id'
import { type ApiFixture, type Call, startApiFixture } from './api-fixture'
import { PlayedRun, playSessions } from './played-run'

let api: ApiFixture
let hostIds: HostId[]

beforeAll(async () => {
  api = await startApiFixture()
  hostIds = await api.addHosts(api.scopeId, ['rack-a-1', 'rack-a-2', 'rack-a-3'], { rack: 'a' })
  await playSessions({ api, hostIds })
}, 120_000)

afterAll(() => api?.close())

const play = (target = 'name:rack-a-[1-3]') => PlayedRun.launch({ api, hostIds }, target)

const sse = { accept: 'text/event-stream' }

async function take(
  response: Response,
  until: (event: SseEvent, seen: SseEvent[]) => boolean,
): Promise<SseEvent[]> {
  const seen: SseEvent[] = []
  for await (const event of parseEvents(response.body as unknown as AsyncIterable<Uint8Array>)) {
    if (!event.event) continue
    seen.push(event)
    if (until(event, seen)) break
  }
  return seen
}

const atEnd = (event: SseEvent) => event.event === 'end'

describe('events', () => {
  it('come live, in order, and end with the execution', async () => {
    const run = await play()
    const response = await api.open(`/executions/${run.id}/events`, sse)
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const taken = take(response, atEnd)
    await run.host(0, 'running')
    await run.host(0, 'succeeded', { exitCode: 0 })
    await run.end()
    const events = await taken
    expect(events.map((event) => event.event)).toEqual([
      'execution',
      'execution',
      'hosts',
      'hosts',
      'step',
      'execution',
      'end',
    ])
    expect(events.slice(0, -1).map((event) => event.id)).toEqual(['1', '2', '3', '4', '5', '6'])
    const { body: shown } = await api.call(`/executions/${run.id}`)
    expect(JSON.parse(events.at(-1)!.data)).toEqual(shown)
    expect(shown).toMatchObject({ state: 'succeeded', steps: [{ counts: { succeeded: 1 } }] })
  })

  it.each(['when it is shown', 'at the end of its events'])(
    'have the run as it was at one moment, %s',
    async (where) => {
      const run = await play()
      await run.host(0, 'unknown', { started: 'maybe' })
      await run.end('failed')
      const path = `/executions/${run.id}`
      const before = (await api.call(path)).body
      const read = async () =>
        where === 'when it is shown'
          ? (await api.call(path)).body
          : (JSON.parse(
              (await take(await api.open(`${path}/events`, sse), atEnd)).at(-1)!.data,
            ) as typeof before)
      // Something becomes known of it after its row was read, and before its hosts are counted.
      const { reading } = await transaction(api.pool, async (tx) => {
        await tx.query('lock table host_result in access exclusive mode')
        const going = read()
        await untilLockWait(
          api.pool,
          '%from step_execution s where s.scope_id = $1 and s.execution_id = $2 order%',
        )
        await tx.query(
          `update host_result set state = 'succeeded' where execution_id = $1 and state = 'unknown'`,
          [run.id],
        )
        await appendEvents(tx, run.key.scopeId, run.id, [{ type: 'hosts', body: {} }])
        return { reading: going }
      })
      const shown = await reading
      const after = (await api.call(path)).body
      expect(after).not.toEqual(before)
      expect(shown).toEqual(shown['lastSeq'] === before['lastSeq'] ? before : after)
    },
  )

  it('end at once where the last of them fills a page', async () => {
    const run = await play()
    const notes = Array.from({ length: 496 }, () => ({ type: 'note' as const, body: {} }))
    await transaction(api.pool, (tx) => appendEvents(tx, run.key.scopeId, run.id, notes))
    await run.end()
    const from = performance.now()
    const events = await take(await api.open(`/executions/${run.id}/events`, sse), atEnd)
    expect(events.at(-2)).toMatchObject({ event: 'execution', id: '500' })
    // Without a look a second later.
    expect(performance.now() - from).toBeLessThan(900)
  })

  it('go on after the last one that a client saw', async () => {
    const run = await play()
    await run.end('failed')
    for (const response of [
      await api.open(`/executions/${run.id}/events`, { ...sse, 'last-event-id': '2' }),
      await api.open(`/executions/${run.id}/events?after=2`, sse),
    ]) {
      expect((await take(response, atEnd)).map((event) => event.event)).toEqual(['step', 'execution', 'end'])
    }
  })

  it('come by the page where a client wants JSON', async () => {
    const run = await play()
    const first = await api.call(`/executions/${run.id}/events?limit=1`)
    expect(first.body).toMatchObject({
      items: [{ seq: '1', type: 'execution', body: { state: 'pending' } }],
      next: '1',
    })
    const second = await api.call(`/executions/${run.id}/events?after=1`)
    expect(second.body).toMatchObject({ items: [{ seq: '2' }], next: null })
  })

  it('refuse a number that is none', async () => {
    const run = await play()
    const answer = await api.call(`/executions/${run.id}/events`, { headers: { 'last-event-id': 'x' } })
    expect(answer.body.code).toBe('cursor_invalid')
  })
})

describe('reading output', () => {
  const bytes = Buffer.from(Array.from({ length: 150_000 }, (_, i) => i % 251))
  let run: PlayedRun
  const at = (index: number, rest = 'stdout') =>
    `/executions/${run.id}/steps/0/hosts/${hostIds[index]}/output/${rest}`

  beforeAll(async () => {
    run = await play()
    for (let from = 0; from < bytes.length; from += 65_536)
      await run.write(0, 'stdout', from, bytes.subarray(from, from + 65_536))
    await run.host(0, 'succeeded', { exitCode: 0, stdoutBytes: bytes.length, stderrBytes: 0 })
    await run.write(1, 'stdout', 0, Buffer.from('half'))
    await run.host(1, 'running')
  })

  it('gives the bytes as they were written', async () => {
    const response = await api.open(at(0))
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true)
    expect(response.headers.get('x-output-complete')).toBe('true')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it.each([
    ['bytes=0-9', 0, 10],
    ['bytes=65530-65545', 65_530, 65_546],
    ['bytes=149990-', 149_990, 150_000],
    ['bytes=-5', 149_995, 150_000],
  ])('gives the range %s', async (range, from, to) => {
    const response = await api.open(at(0), { range })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/150000`)
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(from, to))).toBe(true)
  })

  it('refuses a range beyond the end, and says where that is', async () => {
    const answer = await api.call(at(0), { headers: { range: 'bytes=150000-' } })
    expect([answer.status, answer.body.code, answer.headers.get('content-range')]).toEqual([
      416,
      'range_invalid',
      'bytes */150000',
    ])
  })

  it('gives what there is so far, and says that it is not all', async () => {
    const answer = await api.call(at(1))
    expect([answer.text, answer.headers.get('x-output-complete')]).toEqual(['half', 'false'])
  })

  it('can be downloaded under a name that tells what it is', async () => {
    const answer = await api.call(at(0, 'stdout?download=true'))
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="r-${run.id}-0-rack-a-1.stdout"`,
    )
  })

  it('knows no attempt that was not made, and no host of another run', async () => {
    expect((await api.call(at(0, 'stdout?attempt=2'))).body.code).toBe('host_unknown')
    const [stranger] = await api.addHosts(api.scopeId, ['stranger'])
    expect((await api.call(`/executions/${run.id}/steps/0/hosts/${stranger}/output/stdout`)).body.code).toBe(
      'host_unknown',
    )
  })

  it('finds output by the same name as the agent gives it', () => {
    expect(dispatchKey('12', 3, '7')).toBe(dispatchId('12', 3, '7').toString('hex'))
  })

  it('folds hosts with the same output into groups', async () => {
    const same = createHash('sha256').update('same').digest()
    const grouped = await play()
    for (const index of [0, 2])
      await grouped.host(index, 'succeeded', {
        exitCode: 0,
        outputSha256: same,
        stdoutBytes: 4,
        stderrBytes: 0,
      })
    await grouped.host(1, 'failed', { exitCode: 2 })
    const answer = await api.call(`/executions/${grouped.id}/steps/0/groups`)
    expect(answer.body['groups']).toEqual([
      {
        hosts: 2,
        nodeset: 'rack-a-[1,3]',
        hostId: hostIds[0],
        hostName: 'rack-a-1',
        state: 'succeeded',
        exitCode: 0,
        reason: null,
        tag: null,
        truncated: false,
        identical: 'output',
        stdoutBytes: 4,
        stderrBytes: 0,
      },
      {
        hosts: 1,
        nodeset: 'rack-a-2',
        hostId: hostIds[1],
        hostName: 'rack-a-2',
        state: 'failed',
        exitCode: 2,
        reason: null,
        tag: null,
        truncated: false,
        identical: null,
        stdoutBytes: null,
        stderrBytes: null,
      },
    ])
  })
})

describe('following output', () => {
  const follow = (run: PlayedRun, headers = {}, query = '') =>
    api.open(`/executions/${run.id}/output/follow${query}`, { ...sse, ...headers })
  type Chunk = { hostName: string; stream: string; offset: number; text?: string; bytes?: string }
  const chunksOf = (events: SseEvent[]) =>
    events.filter((event) => event.event === 'chunk').map((event) => JSON.parse(event.data) as Chunk)

  it('tells what is written as it is written, and a host’s end after its last byte', async () => {
    const run = await play()
    const taken = follow(run).then((response) => take(response, atEnd))
    await run.host(0, 'running')
    await run.write(0, 'stdout', 0, Buffer.from('one\n'))
    await sleep(300)
    await run.write(0, 'stderr', 0, Buffer.from('bad\n'))
    // The verdict comes before the output does.
    await run.host(0, 'failed', { exitCode: 1, stdoutBytes: 8, stderrBytes: 4 })
    await sleep(300)
    await run.write(0, 'stdout', 4, Buffer.from('two\n'))
    for (const index of [1, 2]) await run.host(index, 'rejected', { started: 'no', reason: 'policy_refused' })
    await run.end('failed')
    const events = await taken
    const mine = events.filter((event) => event.data.includes('rack-a-1'))
    expect(mine.map((event) => event.event).at(-1)).toBe('host')
    expect(JSON.parse(mine.at(-1)!.data)).toMatchObject({ state: 'failed', exitCode: 1, complete: true })
    const text = (stream: string) =>
      chunksOf(mine)
        .filter((chunk) => chunk.stream === stream)
        .map((chunk) => chunk.text)
        .join('')
    expect([text('stdout'), text('stderr')]).toEqual(['one\ntwo\n', 'bad\n'])
    expect(JSON.parse(events.at(-1)!.data)).toEqual({ state: 'failed' })
  })

  it('never splits a character, and gives bytes that are no text as they are', async () => {
    const run = await play('name:rack-a-1')
    const text = Buffer.from('grün €😀 ende\n')
    await run.host(0, 'running')
    const taken = follow(run).then((response) => take(response, atEnd))
    for (let at = 0; at < text.length; at += 3) {
      await run.write(0, 'stdout', at, text.subarray(at, at + 3))
      await sleep(60)
    }
    await run.write(0, 'stderr', 0, Buffer.from([0xff, 0xfe, 0x00]))
    // Half a character is all that this host ever says there.
    await run.host(0, 'succeeded', { exitCode: 0, stdoutBytes: text.length, stderrBytes: 3 })
    await run.end()
    const chunks = chunksOf(await taken)
    const stdout = chunks.filter((chunk) => chunk.stream === 'stdout')
    expect(stdout.map((chunk) => chunk.text).join('')).toBe(text.toString())
    expect(stdout.every((chunk) => chunk.bytes === undefined)).toBe(true)
    expect(chunks.filter((chunk) => chunk.stream === 'stderr')).toEqual([
      expect.objectContaining({ offset: 0, bytes: '//4A' }),
    ])
  })

  it('goes on to the byte after every possible break', async () => {
    const run = await play()
    for (const index of [0, 1, 2]) {
      for (let at = 0; at < 3; at++)
        await run.write(index, 'stdout', at * 65_536, Buffer.alloc(65_536, 97 + index * 3 + at))
      await run.host(index, 'succeeded', { exitCode: 0, stdoutBytes: 3 * 65_536, stderrBytes: 0 })
    }
    await run.end()
    const whole = await take(await follow(run), atEnd)
    const seen = (events: SseEvent[]) =>
      events.map((event) => `${event.event} ${createHash('sha256').update(event.data).digest('hex')}`).sort()
    for (let cut = 1; cut < whole.length; cut++) {
      const before = await take(await follow(run), (_event, taken) => taken.length === cut)
      const after = await take(await follow(run, { 'last-event-id': before.at(-1)!.id! }), atEnd)
      expect(seen([...before, ...after])).toEqual(seen(whole))
    }
  })

  it('is one stream to a client of the SDK, though its connection breaks again and again', async () => {
    const run = await play('name:rack-a-1')
    await run.host(0, 'running')
    let connections = 0
    const drover = createDrover({
      url: api.urls[0],
      token: api.token,
      async fetch(input, init) {
        const response = await fetch(input, init)
        if (!response.headers.get('content-type')?.includes('event-stream')) return response
        connections++
        // Each connection lives for a few events only.
        return new Response(response.body?.pipeThrough(breakAfter(400 + connections * 37)), {
          headers: response.headers,
        })
      },
    })
    const writing = (async () => {
      for (let i = 0; i < 20; i++) {
        await run.write(0, 'stdout', i * 8, Buffer.from(`line ${String(i).padStart(2, '0')}\n`))
        await sleep(20)
      }
      await run.host(0, 'succeeded', { exitCode: 0, stdoutBytes: 160, stderrBytes: 0 })
      await run.end()
    })()
    const events: OutputEvent[] = []
    for await (const event of drover.followOutput(run.id)) events.push(event)
    await writing
    const text = events.map((event) => (event.type === 'chunk' ? event.text : '')).join('')
    expect(text).toBe(Array.from({ length: 20 }, (_, i) => `line ${String(i).padStart(2, '0')}\n`).join(''))
    expect(connections).toBeGreaterThan(2)
    expect(events.at(-1)).toEqual({ type: 'end', state: 'succeeded' })
  })

  it('refuses more hosts than it can carry, hosts of other runs, and a cursor that is none', async () => {
    const names = Array.from({ length: 201 }, (_, i) => `many-${i + 1}`)
    await api.addHosts(api.scopeId, names)
    const made = await api.call('/executions', {
      method: 'POST',
      body: { target: 'name:many-[1-201]', confirm: 201, script: { script: 'x' } },
    })
    const many = String(made.body['id'])
    expect((await api.call(`/executions/${many}/output/follow`)).body.code).toBe('too_many_to_follow')
    expect((await api.call(`/executions/${many}/output/follow?hostIds=${hostIds[0]}`)).body.code).toBe(
      'host_unknown',
    )
    expect((await api.call(`/executions/${many}/output/follow?step=7`)).body.code).toBe('step_unknown')
    const run = await play()
    const answer = await api.call(`/executions/${run.id}/output/follow`, {
      headers: { 'last-event-id': 'zzz' },
    })
    expect(answer.body.code).toBe('cursor_invalid')
  })
})

/** Ends a stream, in the middle of whatever it carries, after some bytes. */
function breakAfter(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let passed = 0
  return new TransformStream({
    transform(bytes, controller) {
      controller.enqueue(bytes.slice(0, limit - passed))
      passed += bytes.length
      if (passed >= limit) controller.terminate()
    },
  })
}

describe('operations', () => {
  it('cancels by a row, at once, though no workflow answers', async () => {
    const run = await play()
    const answer = await api.call(`/executions/${run.id}/operations`, {
      method: 'POST',
      body: { kind: 'cancel' },
    })
    expect(answer.body).toMatchObject({ kind: 'cancel', state: 'accepted', by: 'admin' })
    expect((await api.call(`/executions/${run.id}`)).body).toMatchObject({
      state: 'cancelling',
      cancelRequestedAt: expect.any(String),
    })
  })

  it('refuses with the reason what cannot be done, and keeps the refusal', async () => {
    const run = await play()
    await run.end()
    const answer = await api.call(`/executions/${run.id}/operations`, {
      method: 'POST',
      body: { kind: 'pause' },
      key: 'refused-pause',
    })
    expect([answer.status, answer.body.code]).toEqual([409, 'operation_refused'])
    expect(answer.body.detail).toMatch(/already ended \(succeeded\)/)
    const again = await api.call(`/executions/${run.id}/operations`, {
      method: 'POST',
      body: { kind: 'pause' },
      key: 'refused-pause',
    })
    expect([again.status, again.body.code]).toEqual([409, 'operation_refused'])
    const listed = await api.call(`/executions/${run.id}/operations`)
    expect(listed.body['items']).toEqual([expect.objectContaining({ kind: 'pause', state: 'refused' })])
  })

  it('retries the failed hosts of a run that has ended, once for a double click', async () => {
    const run = await play()
    await run.host(0, 'failed', { exitCode: 1, stdoutBytes: 0 })
    await run.host(1, 'unknown', { started: 'maybe' })
    await run.host(2, 'succeeded', { exitCode: 0 })
    await run.end('failed')
    const call: Call = { method: 'POST', body: { kind: 'retry' }, key: 'retry-once' }
    const [first, second] = await Promise.all([
      api.call(`/executions/${run.id}/operations`, call),
      api.call(`/executions/${run.id}/operations`, { ...call, api: 1 }),
    ])
    expect(first.body['id']).toBe(second.body['id'])
    expect((await api.call(`/executions/${run.id}`)).body).toMatchObject({
      state: 'running',
      continuation: 1,
    })
    const hosts = await api.call(`/executions/${run.id}/steps/0/hosts`)
    const attempts = (hosts.body['items'] as { state: string; attempt: number }[]).map((host) => [
      host.state,
      host.attempt,
    ])
    expect(attempts).toEqual([
      ['pending', 2],
      ['unknown', 1],
      ['succeeded', 1],
    ])
    const earlier = await api.call(
      `/executions/${run.id}/steps/0/hosts/${hostIds[0]}/output/stdout?attempt=1`,
    )
    expect(earlier.headers.get('x-output-complete')).toBe('true')
  })
})

describe('while a store is away', () => {
  it('launches and cancels without Temporal, and says that a pause needs it', async () => {
    await using lonely = await api.startApi({ temporalAddress: '127.0.0.1:1' })
    const headers = { authorization: `Bearer ${api.token}`, 'content-type': 'application/json' }
    const post = async (path: string, key: string, body: object) => {
      const startedAt = Date.now()
      const response = await fetch(`${lonely.url}/api/v1/scopes/default${path}`, {
        method: 'POST',
        headers: { ...headers, 'idempotency-key': key },
        body: JSON.stringify(body),
      })
      return {
        status: response.status,
        body: (await response.json()) as { id: string; code: string },
        ms: Date.now() - startedAt,
      }
    }
    const made = await post('/executions', 'lonely', { target: 'name:rack-a-1', script: { script: 'true' } })
    expect(made.status).toBe(201)
    expect(made.ms).toBeLessThan(4_000)
    const path = `/executions/${made.body.id}/operations`
    expect(await post(path, 'lonely-pause', { kind: 'pause' })).toMatchObject({
      status: 503,
      body: { code: 'unavailable' },
    })
    // It was decided: the same key is the same refusal, and nothing happens later.
    expect(await post(path, 'lonely-pause', { kind: 'pause' })).toMatchObject({
      status: 409,
      body: { code: 'operation_refused' },
    })
    expect(await post(path, 'lonely-cancel', { kind: 'cancel' })).toMatchObject({
      status: 200,
      body: { state: 'accepted' },
    })
  })

  it('answers 503 while PostgreSQL is away, and serves again when it is back', async () => {
    const child = api.embedded.supervisor.child('postgres')
    const pid = child.pid
    child.kill('SIGKILL')
    const answer = await api.call('/hosts')
    if (answer.status !== 200)
      expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
        503,
        'unavailable',
        '1',
      ])
    while (child.pid === pid || child.state !== 'running') await sleep(20)
    await child.waitReady()
    expect((await api.call('/hosts')).status).toBe(200)
  })

  it('ends its streams with a word when it drains, so that clients go on elsewhere', async () => {
    const run = await play()
    const leaving = await api.startApi({})
    const response = await fetch(`${leaving.url}/api/v1/scopes/default/executions/${run.id}/events`, {
      headers: { authorization: `Bearer ${api.token}`, ...sse },
    })
    const taken = take(response, () => false)
    await sleep(200)
    const startedAt = Date.now()
    await leaving[Symbol.asyncDispose]()
    expect(Date.now() - startedAt).toBeLessThan(3_000)
    expect((await taken).map((event) => event.event)).toEqual(['execution', 'execution'])
  })
})
