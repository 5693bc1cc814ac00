/** GET …/output/follow: the output of many hosts as it is written, resumed exactly where a client left off. */
import { z } from 'zod'
import { delay } from '../../base/backoff.js'
import { PlatformError } from '../../domain/errors.js'
import { isId } from '../../domain/id.js'
import { listFollowedHosts } from '../../store/postgres/follow.js'
import { mustFindExecution } from '../executions/find-execution.js'
import { executionParams } from '../executions/schema.js'
import { operation } from '../operation.js'
import { queryInteger } from '../paging.js'
import { EventStream } from '../sse.js'
import { decodeFollowCursor, type FollowState } from './follow-cursor.js'
import { Follower } from './follower.js'

const HOSTS_MAX = 200
/** Hosts of all followed steps together: their places must fit into one request header. */
const ROWS_MAX = 1_000
/** Hints come up to ten times a second; rounds need not. */
const ROUND_MS = 150

export const followOutput = operation({
  name: 'follow-output',
  method: 'get',
  path: '/executions/{executionId}/output/follow',
  policy: 'output.read',
  summary: 'Follow the output of up to 200 hosts',
  description:
    'Server-sent events: `chunk` (text, or `bytes` in base64 where it is not UTF-8), `host` (a new state), `end`. `Last-Event-ID` resumes without a gap or a repeat.',
  params: executionParams,
  query: z.strictObject({
    step: queryInteger(0, 9_999).optional().describe('Position of one step; all of them if left out.'),
    hostIds: z
      .string()
      .max(5_000)
      .refine((text) => text.split(',').every(isId), 'must be ids of hosts, separated by commas')
      .meta({ pattern: '^[1-9][0-9]{0,18}(,[1-9][0-9]{0,18})*$' })
      .optional()
      .describe('Every host if left out.'),
  }),
  produces: ['text/event-stream'],
  errors: ['execution_unknown', 'step_unknown', 'host_unknown', 'too_many_to_follow', 'cursor_invalid'],
  async stream({ services, scope, params, query, headers, ended }, response) {
    const key = {
      scopeId: scope.id,
      executionId: (await mustFindExecution(services.pool, scope.id, params.executionId)).id,
    }
    const hostIds = query.hostIds === undefined ? undefined : [...new Set(query.hostIds.split(','))]
    const which = { hostIds, step: query.step, limit: ROWS_MAX }
    checkSelection(await listFollowedHosts(services.pool, key, which), hostIds)
    const told = readLastEventId(headers['last-event-id'])
    response.locals['stream'] = true
    if (response.req.method === 'HEAD') return void response.end()
    const stream = new EventStream(response, ended)
    const follower = new Follower(services.output, stream, told)
    services.metrics.streams.inc({ operation: 'follow-output' })
    try {
      while (!ended.aborted) {
        const waiting = services.signals.wait(key.executionId, ended)
        // The state before the hosts: once it is final, so are they.
        const execution = await mustFindExecution(services.pool, scope.id, params.executionId)
        const done = await follower.round(execution, await listFollowedHosts(services.pool, key, which))
        if (done) return await stream.send({ event: 'end', data: { state: execution.state } })
        await Promise.all([waiting, delay(ROUND_MS, ended).catch(() => undefined)])
      }
    } finally {
      services.metrics.streams.dec({ operation: 'follow-output' })
      stream.close()
    }
  },
})

/** @throws PlatformError host_unknown, step_unknown, too_many_to_follow */
function checkSelection(
  rows: readonly { hostId: string; stepPosition: number }[],
  hostIds: readonly string[] | undefined,
): void {
  const found = new Set(rows.map((row) => row.hostId))
  if (found.size > HOSTS_MAX || rows.length > ROWS_MAX) {
    throw new PlatformError(
      'too_many_to_follow',
      `at most ${HOSTS_MAX} hosts and ${ROWS_MAX} host steps can be followed at once; name some with hostIds, or one step with step`,
    )
  }
  const missing = hostIds?.find((id) => !found.has(id))
  if (rows.length && missing !== undefined)
    throw new PlatformError('host_unknown', `this run has no host ${missing}`)
  if (!rows.length) {
    if (hostIds) throw new PlatformError('host_unknown', 'this run has none of these hosts in that step')
    throw new PlatformError('step_unknown', 'this run has no step at that position; positions count from 0')
  }
}

function readLastEventId(header: string | string[] | undefined): FollowState {
  return header === undefined || header === '' ? new Map() : decodeFollowCursor(String(header))
}
