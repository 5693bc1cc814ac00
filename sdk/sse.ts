/** Server-sent events: read from a response, and resumed over as many connections as it takes. */
import { DroverError } from './error.js'
import { backoffMs, pause } from './transport.js'

export interface SseEvent {
  event: string
  data: string
  /** The id to resume after, as of this event. */
  id: string | undefined
}

/** Events of one response body, as they arrive. */
export async function* parseEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let id: string | undefined
  for await (const bytes of body) {
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = fieldsOf(block)
      id = fields.get('id') ?? id
      const data = fields.get('data')
      // A comment, or a new retry time: a sign of life.
      yield { event: data === undefined ? '' : (fields.get('event') ?? 'message'), data: data ?? '', id }
    }
  }
}

function fieldsOf(block: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''))
  }
  return fields
}

export interface StreamOptions {
  /** Ends the iteration; it throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Told when the connection was lost and another one is tried. */
  onReconnect?: ((error: unknown) => void) | undefined
}

/** The server says something at least every 10 s: three times that is a dead connection. */
const SILENCE_MS = 30_000

/**
 * Events until the one called `end`, which is the last. A connection that breaks is replaced by one that goes on exactly
 * after the last event.
 * @param open makes a connection that goes on after the event with this id
 */
export async function* resumeEvents(
  open: (after: string | undefined, signal: AbortSignal) => Promise<Response>,
  options: StreamOptions,
  first?: string,
): AsyncGenerator<SseEvent> {
  let after = first
  for (let failures = 0; ; failures++) {
    const connection = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, connection.signal]) : connection.signal
    let silence: ReturnType<typeof setTimeout> | undefined
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(() => connection.abort(new Error('the server has gone silent')), SILENCE_MS)
    }
    try {
      heard()
      const response = await open(after, signal)
      for await (const event of parseEvents(bodyOf(response))) {
        heard()
        failures = 0
        after = event.id ?? after
        if (event.event) yield event
        if (event.event === 'end') return
      }
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof DroverError && !error.retryable) throw error
      options.onReconnect?.(error)
    } finally {
      clearTimeout(silence)
      connection.abort()
    }
    await pause(backoffMs(failures), options.signal)
  }
}

function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  // Node's streams are iterable; browsers' are getting there.
  return (response.body ?? new ReadableStream()) as unknown as AsyncIterable<Uint8Array>
}
