/** Drover's API as methods: one for each operation, iterators for what is long, and a few that do what everyone needs. */
import { keyOf } from './calls.js'
import { dataOf } from './client.js'
import type { ExecutionEvent, OutputEvent } from './events.js'
import { RunCalls } from './runs.js'
import { resumeEvents, type StreamOptions } from './sse.js'
import { get, pause } from './transport.js'
import type {
  CancelFilter,
  Execution,
  ExecutionDetail,
  Launch,
  LaunchPreview,
  Operation,
  OperationRequest,
  OutputPart,
  OutputPlace,
  Whoami,
  WriteOptions,
} from './vocabulary.js'

/** Output may come after the verdict; it is waited for this long. */
const LATE_OUTPUT_MS = 10_000

/** Told of each event, which the next one waits for. */
type OnEvent = (event: ExecutionEvent) => void | Promise<void>

export class Drover extends RunCalls {
  /** @throws DroverError credential_invalid and others, as every method */
  whoami(): Promise<Whoami> {
    return dataOf(this.api.GET('/api/v1/whoami'))
  }

  /** Starts an execution; resolves when it is written, not when it has ended. */
  launch(launch: Launch, options: WriteOptions = {}): Promise<Execution> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/executions', {
        params: { path: { scope: this.scope }, header: keyOf(options) },
        body: launch,
      }),
    )
  }

  /** Launches and waits for the end. A run that failed is an answer, not an error: look at `state`. */
  async launchAndWait(
    launch: Launch,
    options: WriteOptions & StreamOptions & { onEvent?: OnEvent } = {},
  ): Promise<ExecutionDetail> {
    const { id } = await this.launch(launch, options)
    return this.waitForEnd(id, options)
  }

  /** Waits for the end of an execution, from its begin or after an event; survives lost connections. */
  async waitForEnd(
    executionId: string,
    options: StreamOptions & { after?: string; onEvent?: OnEvent } = {},
  ): Promise<ExecutionDetail> {
    const events = this.watchEvents(executionId, options)
    try {
      for (;;) {
        const { done, value } = await events.next()
        if (done) return value
        await options.onEvent?.(value)
      }
    } finally {
      await events.return(undefined as never)
    }
  }

  /** What a launch would do, to whom, and for how long. @throws DroverError as `launch` */
  preview(launch: Launch): Promise<LaunchPreview> {
    const params = { path: { scope: this.scope } }
    return dataOf(this.api.POST('/api/v1/scopes/{scope}/executions/preview', { params, body: launch }))
  }

  /** @throws DroverError operation_refused with the reason */
  operate(executionId: string, request: OperationRequest, options: WriteOptions = {}): Promise<Operation> {
    return dataOf(
      this.api.POST('/api/v1/scopes/{scope}/executions/{executionId}/operations', {
        params: { path: { scope: this.scope, executionId }, header: keyOf(options) },
        body: request,
      }),
    )
  }

  /** Cancels all open executions that the filter means. @throws DroverError confirmation_required with their number */
  async cancelMany(
    filter: CancelFilter,
    options: WriteOptions = {},
  ): Promise<{ executionId: string; operationId: string }[]> {
    const answer = this.api.POST('/api/v1/scopes/{scope}/executions/cancel', {
      params: { path: { scope: this.scope }, header: keyOf(options) },
      body: filter,
    })
    return (await dataOf(answer)).items
  }

  /**
   * What happens to an execution, from its begin or after an event, until it has ended; survives lost connections.
   * Returns the execution at its end.
   */
  async *watchEvents(
    executionId: string,
    options: StreamOptions & { after?: string } = {},
  ): AsyncGenerator<ExecutionEvent, ExecutionDetail> {
    const events = resumeEvents(this.opener(`/executions/${executionId}/events`), options, options.after)
    for await (const { event, data, id } of events) {
      if (event === 'end') return JSON.parse(data) as ExecutionDetail
      const { at, ...body } = JSON.parse(data) as { at: string }
      yield { seq: id ?? '', type: event as ExecutionEvent['type'], at, body }
    }
    throw new Error('events ended without their end')
  }

  /** Output as it is written, of at most 200 hosts; survives lost connections without a gap or a repeat. */
  async *followOutput(
    executionId: string,
    options: StreamOptions & { step?: number | undefined; hostIds?: readonly string[] | undefined } = {},
  ): AsyncGenerator<OutputEvent> {
    const query = new URLSearchParams()
    if (options.step !== undefined) query.set('step', String(options.step))
    if (options.hostIds) query.set('hostIds', options.hostIds.join(','))
    const path = `/executions/${executionId}/output/follow${query.size ? `?${query.toString()}` : ''}`
    for await (const { event, data } of resumeEvents(this.opener(path), options)) {
      yield {
        type: event,
        ...(event === 'chunk' ? { text: '' } : {}),
        ...(JSON.parse(data) as object),
      } as OutputEvent
    }
  }

  /** Bytes of a stream, as they were written. @param range last is included */
  async readOutput(place: OutputPlace, range?: { from: number; last?: number }): Promise<OutputPart> {
    const query = place.attempt === undefined ? '' : `?attempt=${place.attempt}`
    const path = `/executions/${place.executionId}/steps/${place.step}/hosts/${place.hostId}/output/${place.stream}${query}`
    const headers = range ? { range: `bytes=${range.from}-${range.last ?? ''}` } : {}
    const response = await get(this.connection, this.root() + path, { headers })
    return {
      bytes: new Uint8Array(await response.arrayBuffer()),
      total: Number(response.headers.get('x-output-bytes')),
      complete: response.headers.get('x-output-complete') === 'true',
      truncated: response.headers.get('x-output-truncated') === 'true',
    }
  }

  /** A stream of a host that has ended, as text: waits for what comes after the verdict. @param maxBytes from its begin */
  async outputText(place: OutputPlace, maxBytes = 16 * 1024 * 1024): Promise<string> {
    for (const until = Date.now() + LATE_OUTPUT_MS; ; await pause(100)) {
      const part = await this.readOutput(place, { from: 0, last: maxBytes - 1 })
      const enough = part.complete || part.bytes.length >= maxBytes
      if (enough || Date.now() > until) return new TextDecoder().decode(part.bytes)
    }
  }

  /** The begin of a stream as it is compared: times, ids and the host's own name stand as `<time>`, `<id>`, `<host>`; lines stay. */
  async normalisedOutput(place: OutputPlace, firstBytes: number): Promise<string> {
    const attempt = place.attempt === undefined ? '' : `&attempt=${place.attempt}`
    const path = `/executions/${place.executionId}/steps/${place.step}/hosts/${place.hostId}/output/${place.stream}?normalised=true&first=${firstBytes}${attempt}`
    return (await get(this.connection, this.root() + path, {})).text()
  }

  private opener(path: string) {
    return (after: string | undefined, signal: AbortSignal) =>
      get({ ...this.connection, retries: 0 }, this.root() + path, {
        headers: { accept: 'text/event-stream', ...(after === undefined ? {} : { 'last-event-id': after }) },
        signal,
      })
  }
}
