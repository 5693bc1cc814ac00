/** GET /executions/{executionId}/events: what happened, as a page or live; a client resumes at the number it saw last. */
import { z } from 'zod'
import { isFinalExecutionState } from '../../domain/execution.js'
import { PlatformError } from '../../domain/errors.js'
import { type ExecutionEvent, listEvents } from '../../store/postgres/events.js'
import type { Execution } from '../../store/postgres/executions.js'
import { timeField, toTime } from '../fields.js'
import { operation, type ScopedCall } from '../operation.js'
import { queryInteger } from '../paging.js'
import { EventStream } from '../sse.js'
import { mustFindExecution } from './find-execution.js'
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
    'With `Accept: text/event-stream`: each event has its number as id and its type as name; `Last-Event-ID` or `after` resumes; `event: end` says that the execution has ended and nothing follows.',
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
    const execution = await mustFindExecution(services.pool, scope.id, params.executionId)
    const after = lastEventId(headers['last-event-id']) ?? query.after
    if (headers.accept?.includes('text/event-stream')) {
      response.locals['stream'] = true
      if (response.req.method === 'HEAD') return void response.end()
      return streamFrom(call, execution, after, new EventStream(response, call.ended))
    }
    const rows = await listEvents(services.pool, scope.id, execution.id, { after, limit: query.limit + 1 })
    const shown = rows.slice(0, query.limit)
    response.json({
      items: shown.map((event) => ({ ...event, at: toTime(event.at) })),
      next: rows.length > query.limit ? (shown.at(-1)?.seq ?? null) : null,
    })
  },
})

function lastEventId(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  if (typeof header === 'string' && /^\d{1,18}$/.test(header)) return header
  throw new PlatformError('cursor_invalid', 'Last-Event-ID should be the number of an event')
}

async function streamFrom(
  call: ScopedCall,
  execution: Execution,
  from: string,
  stream: EventStream,
): Promise<void> {
  const { services, scope, ended } = call
  const { id } = execution
  const { streams } = services.metrics
  streams.inc({ operation: 'stream-events' })
  let after = from
  let known = execution
  let isOld = false
  try {
    while (!ended.aborted) {
      const waiting = services.signals.wait(id, ended)
      const rows = await listEvents(services.pool, scope.id, id, { after, limit: PAGE })
      for (const event of rows) await sendEvent(stream, event)
      after = rows.at(-1)?.seq ?? after
      // Fifty viewers read the row often: only an event of the execution's own, or nothing at all, can be its end.
      isOld ||= !rows.length || rows.some((event) => event.type === 'execution')
      if (rows.length === PAGE) continue
      if (isOld) known = await mustFindExecution(services.pool, scope.id, id)
      isOld = false
      if (isFinalExecutionState(known.state) && BigInt(after) >= BigInt(known.lastSeq)) {
        await stream.send({ event: 'end', data: { state: known.state } })
        return
      }
      await waiting
    }
  } finally {
    streams.dec({ operation: 'stream-events' })
    stream.close()
  }
}

function sendEvent(stream: EventStream, event: ExecutionEvent): Promise<void> {
  return stream.send({ event: event.type, id: event.seq, data: { at: toTime(event.at), ...event.body } })
}
