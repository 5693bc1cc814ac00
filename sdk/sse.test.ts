/** Event streams: read from any split of bytes, and resumed after a break. */
import fc from 'fast-check'
import { DroverError } from './error.js'
import { parseEvents, resumeEvents, type SseEvent } from './sse.js'

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.slice(from, Math.min(cut, bytes.length))
    from = Math.min(cut, bytes.length)
  }
  yield bytes.slice(from)
}

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const event of events) all.push(event)
  return all
}

const text = 'retry: 1000\n\nid: 1\nevent: step\ndata: {"a":"é€😀"}\n\n: alive\n\nevent: end\ndata: {}\n\n'

describe('parseEvents', () => {
  it('reads the same events however the bytes are cut', async () => {
    const bytes = new TextEncoder().encode(text)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 8 }), async (cuts) => {
        const events = await collect(parseEvents(pieces(bytes, cuts)))
        expect(events.filter((event) => event.event)).toEqual([
          { event: 'step', data: '{"a":"é€😀"}', id: '1' },
          { event: 'end', data: '{}', id: '1' },
        ])
      }),
    )
  })
})

describe('resumeEvents', () => {
  const response = (body: string) => new Response(body)

  it('goes on after the last event when a connection breaks, and stops at the end', async () => {
    const asked: (string | undefined)[] = []
    const answers = [
      'id: 1\nevent: a\ndata: 1\n\nid: 2\nevent: a\ndata: 2\n\nid: 3\nevent: a\nda',
      'id: 3\nevent: a\ndata: 3\n\nevent: end\ndata: {}\n\n',
    ]
    const open = async (after: string | undefined) => {
      asked.push(after)
      return response(answers.shift() ?? '')
    }
    const events: SseEvent[] = await collect(resumeEvents(open, {}))
    expect(asked).toEqual([undefined, '2'])
    expect(events.map((event) => event.data)).toEqual(['1', '2', '3', '{}'])
  })

  it('tries again while the server is away', async () => {
    let tries = 0
    const lost: unknown[] = []
    const open = async () => {
      if (++tries < 3) throw new DroverError({ code: 'unavailable', status: 0, detail: 'away' })
      return response('event: end\ndata: {}\n\n')
    }
    await collect(resumeEvents(open, { onReconnect: (error) => lost.push(error) }))
    expect(tries).toBe(3)
    expect(lost).toHaveLength(2)
  })

  it('gives up at once on an error that a repeat would not change', async () => {
    const open = async () => {
      throw new DroverError({ code: 'execution_unknown', status: 404, detail: 'none' })
    }
    await expect(collect(resumeEvents(open, {}))).rejects.toMatchObject({ code: 'execution_unknown' })
  })

  it('ends with the reason of its signal', async () => {
    const leaving = new AbortController()
    const open = async () => response('id: 1\nevent: a\ndata: 1\n\n')
    const events = resumeEvents(open, { signal: leaving.signal })
    await events.next()
    leaving.abort(new Error('enough'))
    await expect(events.next()).rejects.toThrow('enough')
  })
})
