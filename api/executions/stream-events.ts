/** GET /executions/{executionId}/events: what happened, as a page or live; a client resumes at the number it saw last. */
import type { Response } from 'express'
import { z } from 'zod'
import { isFinalExecutionState } from '../../domain/execution.js'
import { PlatformError } from '../../domain/errors.js'
import type { ExecutionId } from '../../domain/id.js'
import { type EventPage, type ExecutionEvent, readEvents } from '../../store/postgres/events.js'
import { timeField, toTime } from '../fields.js'
import { operation, type ScopedCall } from '../operation.js'
import { queryInteger } from '../paging.js'
import { EventStream } from '../sse.js'
import { readDetail } from './execution-detail.js'
import { executionUnknown, mustFindExecution } from './find-execution.js'
import { executionParams } from './schema.js'

const PAGE = 500

const eventPageSchema = z
  .object({
    items: z.array(
      z.object({
        seq: z.string(),
        at: timeField,
        type: z.enum(['execution', 'step', 'hosts', 'batch', 'operation', 'output', 'note']),
        body: z.record(z.string(), z.unknown()),
      }),
    ),
    next: z.string().nullable().describe('Give it as `after`; null if there are no more for now.'),
  })
  .meta({ id: 'EventPage' })

export const streamEvents = operation({
  name: 'stream-events',
  method: 'get',
  path: '/executions/{executionId}/events',
  policy: 'execution.read',
  summary: 'Events of an execution, live or by the page',
  description:
    'With `Accept: text/event-stream`: each event has its number as id and its type as name; `Last-Event-ID` or `after` resumes; `event: end` says that the execution has ended and nothing follows; its data is the execution as `get-execution` shows it.',
  params: executionParams,
  query: z.strictObject({
    after: z
      .string()
      .regex(/^\d{1,18}$/, 'must be the number of an event')
      .default('0'),
    limit: queryInteger(1, 1_000).default(PAGE),
  }),
  produces: ['text/event-stream'],
  response: eventPageSchema,
  errors: ['execution_unknown', 'cursor_invalid'],
  async stream(call, response) {
    const { services, scope, params, query, headers } = call
    const id = params.executionId as ExecutionId
    const after = lastEventId(headers['last-event-id']) ?? query.after
    if (headers.accept?.includes('text/event-stream')) {
      response.locals['stream'] = true
      if (response.req.method !== 'HEAD') return streamFrom(call, id, after, response)
      await mustFindExecution(services.pool, scope.id, id)
      return void response.end()
    }
    const { events } = await mustReadEvents(call, id, { after, limit: query.limit + 1 })
    const shown = events.slice(0, query.limit)
    response.json({
      items: shown.map((event) => ({ ...event, at: toTime(event.at) })),
      next: events.length > query.limit ? (shown.at(-1)?.seq ?? null) : null,
    })
  },
})

function lastEventId(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  if (typeof header === 'string' && /^\d{1,18}$/.test(header)) return header
  throw new PlatformError('cursor_invalid', 'Last-Event-ID should be the number of an event')
}

/** @throws PlatformError execution_unknown */
async function mustReadEvents(
  { services, scope }: ScopedCall,
  id: ExecutionId,
  page: { after: string; limit: number },
): Promise<EventPage> {
  const found = await readEvents(services.pool, scope.id, id, page)
  if (found) return found
  throw executionUnknown(id)
}

async function streamFrom(
  call: ScopedCall,
  id: ExecutionId,
  from: string,
  response: Response,
): Promise<void> {
  const { services, ended } = call
  const { streams } = services.metrics
  let after = from
  let stream: EventStream | undefined
  streams.inc({ operation: 'stream-events' })
  try {
    while (!ended.aborted) {
      const waiting = services.signals.wait(id, ended)
      const { state, lastSeq, events } = await mustReadEvents(call, id, { after, limit: PAGE })
      // Begun by the first answer: an execution that there is not has a status of its own.
      stream ??= new EventStream(response, ended)
      for (const event of events) await sendEvent(stream, event)
      after = events.at(-1)?.seq ?? after
      if (events.length === PAGE) continue
      if (isFinalExecutionState(state) && BigInt(after) >= BigInt(lastSeq)) {
        const run = await readDetail(call, id)
        // Unless it was taken up again, or something became known of it, between the two.
        if (run.lastSeq === lastSeq) return await stream.send({ event: 'end', data: run })
        continue
      }
      await waiting
    }
    // Asked for while the api drains: whoever asks must not wait for an answer.
    stream ??= new EventStream(response, ended)
  } finally {
    streams.dec({ operation: 'stream-events' })
    stream?.close()
  }
}

function sendEvent(stream: EventStream, event: ExecutionEvent): Promise<void> {
  return stream.send({ event: event.type, id: event.seq, data: { at: toTime(event.at), ...event.body } })
}
