/** GET …/output/{stdout|stderr}: the bytes that a script wrote, as they are kept. */
import { once } from 'node:events'
import type { Response } from 'express'
import { z } from 'zod'
import { PlatformError } from '../../domain/errors.js'
import type { OutputLog, StreamKey } from '../../store/log/output.js'
import { findHostResult } from '../../store/postgres/host-results.js'
import { mustFindExecution, mustFindStep } from '../executions/find-execution.js'
import { stepParams } from '../executions/schema.js'
import { idField } from '../fields.js'
import { operation } from '../operation.js'
import { queryFlag, queryInteger } from '../paging.js'
import { type ByteRange, parseRange } from './range.js'
import { findPerspective, sendNormalised } from './send-normalised.js'
import { findEnd, streamKey } from './stream-end.js'

/** Normalising costs the API time. */
const NORMALISED_FIRST_MAX = 16 * 1024 * 1024

export const readOutput = operation({
  name: 'read-output',
  method: 'get',
  path: '/executions/{executionId}/steps/{position}/hosts/{hostId}/output/{stream}',
  policy: 'output.read',
  summary: "Read a host's output",
  description:
    'Takes one `Range` of bytes. `x-output-bytes` tells how many are kept so far, `x-output-complete` whether that is all, `x-output-truncated` whether the cap cut it.',
  params: stepParams.extend({ hostId: idField, stream: z.enum(['stdout', 'stderr']) }),
  query: z.strictObject({
    attempt: queryInteger(1, 1_000_000).optional().describe('The latest if left out.'),
    download: queryFlag.default(false),
    normalised: queryFlag
      .default(false)
      .describe(
        'What normalising takes out stands as `<time>`, `<host>`, …; lines stay what they are. No range is taken.',
      ),
    first: queryInteger(1, NORMALISED_FIRST_MAX)
      .default(NORMALISED_FIRST_MAX)
      .describe('With `normalised`: so many bytes of the output, from its begin.'),
  }),
  produces: ['text/plain', 'application/octet-stream'],
  errors: ['execution_unknown', 'step_unknown', 'host_unknown', 'range_invalid'],
  async stream({ services, scope, params, query, headers, ended }, response) {
    const step = await mustFindStep(services.pool, scope.id, params)
    const result = await findHostResult(services.pool, step, params.hostId, query.attempt)
    if (!result) {
      const which = query.attempt === undefined ? '' : ` with an attempt ${query.attempt}`
      throw new PlatformError(
        'host_unknown',
        `run r-${params.executionId} has no host ${params.hostId}${which}`,
      )
    }
    const { outputDay } = await mustFindExecution(services.pool, scope.id, params.executionId)
    const key = streamKey(outputDay, step.stepExecutionId, result, params.stream)
    const { bytes, complete } = await findEnd(services.output, key, result)
    response.setHeader('accept-ranges', 'bytes')
    response.setHeader('x-output-bytes', bytes)
    response.setHeader('x-output-complete', String(complete))
    response.setHeader('x-output-truncated', String(result.truncated))
    response.setHeader('cache-control', complete ? 'private, max-age=3600' : 'no-store')
    if (query.normalised) {
      response.setHeader('content-type', 'text/plain; charset=utf-8')
      response.removeHeader('accept-ranges')
      const perspective = await findPerspective(services.pool, step, result.hostId)
      const source = services.output.read(key, 0, Math.min(bytes, query.first))
      return sendNormalised(source, perspective, { response, ended })
    }
    const range = rangeOf(headers.range, bytes, response)
    const file = `r-${params.executionId}-${params.position}-${result.hostName.replaceAll(/[^A-Za-z0-9._-]/g, '_')}.${params.stream}`
    response.setHeader('content-disposition', query.download ? `attachment; filename="${file}"` : 'inline')
    response.setHeader(
      'content-type',
      query.download ? 'application/octet-stream' : 'text/plain; charset=utf-8',
    )
    await sendBytes(services.output, key, range ?? { from: 0, to: bytes }, { response, ended })
  },
})

function rangeOf(header: string | undefined, bytes: number, response: Response): ByteRange | undefined {
  try {
    const range = parseRange(header, bytes)
    if (range) response.status(206).setHeader('content-range', `bytes ${range.from}-${range.to - 1}/${bytes}`)
    return range
  } catch (error) {
    response.setHeader('content-range', `bytes */${bytes}`)
    throw error
  }
}

async function sendBytes(
  log: OutputLog,
  key: StreamKey,
  range: ByteRange,
  to: { response: Response; ended: AbortSignal },
): Promise<void> {
  const { response, ended } = to
  response.setHeader('content-length', range.to - range.from)
  if (response.req.method === 'HEAD' || range.from === range.to) {
    response.end()
    return
  }
  let sent = 0
  for await (const bytes of log.read(key, range.from, range.to)) {
    // Fewer bytes than were announced: only a broken connection says so.
    if (ended.aborted) return void response.destroy()
    sent += bytes.length
    if (!response.write(bytes)) await once(response, 'drain', { signal: ended })
  }
  if (sent !== range.to - range.from)
    throw new Error(`output ${key.dispatch} has ${sent} bytes where ${range.to - range.from} were counted`)
  response.end()
}
