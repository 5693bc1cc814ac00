/** Drover's API as methods: one for each operation, iterators for what is long, and a few that do what everyone needs. */
import { defined, keyOf, PAGE } from './calls.js'
import { dataOf } from './client.js'
import type { ExecutionEvent, OutputEvent } from './events.js'
import { allItems } from './paging.js'
import { SearchCalls } from './search.js'
import { resumeEvents, type StreamOptions } from './sse.js'
import { get, pause } from './transport.js'
import type {
  Execution,
  ExecutionDetail,
  ExecutionState,
  HostResult,
  HostState,
  Launch,
  Operation,
  OperationRequest,
  OutputGroup,
  OutputPart,
  OutputPlace,
  Verdict,
  Whoami,
  WriteOptions,
} from './vocabulary.js'

/** Output may come after the verdict; it is waited for this long. */
const LATE_OUTPUT_MS = 10_000

export class Drover extends SearchCalls {
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
    options: WriteOptions & StreamOptions & { onEvent?: (event: ExecutionEvent) => void } = {},
  ): Promise<ExecutionDetail> {
    const { id } = await this.launch(launch, options)
    for await (const event of this.watchEvents(id, options)) options.onEvent?.(event)
    return this.execution(id)
  }

  execution(executionId: string): Promise<ExecutionDetail> {
    return dataOf(this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}', this.at(executionId)))
  }

  /** Newest first. */
  executions(query: { states?: readonly ExecutionState[] } = {}): AsyncGenerator<Execution> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions', {
          params: {
            path: { scope: this.scope },
            query: defined({ limit: 100, after, state: query.states?.join(',') }) as object,
          },
        }),
      ),
    )
  }

  /** Every host's result in a step, in the order of the target. */
  executionHosts(
    executionId: string,
    step: number,
    query: { states?: readonly HostState[] } = {},
  ): AsyncGenerator<HostResult> {
    return allItems((after) =>
      dataOf(
        this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/hosts', {
          params: {
            path: { scope: this.scope, executionId, position: step },
            query: defined({ limit: PAGE, after, state: query.states?.join(',') }) as object,
          },
        }),
      ),
    )
  }

  /** All that was said of a host in a step, oldest first: the end of each attempt, and what became known later. */
  async verdicts(executionId: string, step: number, hostId: string): Promise<Verdict[]> {
    const path = { scope: this.scope, executionId, position: step, hostId }
    const answer = this.api.GET(
      '/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/hosts/{hostId}/verdicts',
      { params: { path } },
    )
    return (await dataOf(answer)).items
  }

  /** A step's hosts, grouped by equal outcome and output, largest first. */
  async outputGroups(executionId: string, step: number): Promise<OutputGroup[]> {
    const path = { scope: this.scope, executionId, position: step }
    const answer = this.api.GET('/api/v1/scopes/{scope}/executions/{executionId}/steps/{position}/groups', {
      params: { path },
    })
    return (await dataOf(answer)).groups
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

  async operations(executionId: string): Promise<Operation[]> {
    const answer = this.api.GET(
      '/api/v1/scopes/{scope}/executions/{executionId}/operations',
      this.at(executionId),
    )
    return (await dataOf(answer)).items
  }

  /** What happens to an execution, from its begin or after an event, until it has ended; survives lost connections. */
  async *watchEvents(
    executionId: string,
    options: StreamOptions & { after?: string } = {},
  ): AsyncGenerator<ExecutionEvent> {
    const events = resumeEvents(this.opener(`/executions/${executionId}/events`), options, options.after)
    for await (const { event, data, id } of events) {
      if (event === 'end') return
      const { at, ...body } = JSON.parse(data) as { at: string }
      yield { seq: id ?? '', type: event as ExecutionEvent['type'], at, body }
    }
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

  private at(executionId: string) {
    return { params: { path: { scope: this.scope, executionId } } }
  }

  private root(): string {
    return `/api/v1/scopes/${encodeURIComponent(this.scope)}`
  }

  private opener(path: string) {
    return (after: string | undefined, signal: AbortSignal) =>
      get({ ...this.connection, retries: 0 }, this.root() + path, {
        headers: { accept: 'text/event-stream', ...(after === undefined ? {} : { 'last-event-id': after }) },
        signal,
      })
  }
}
