/** From an operation to a request handler: right, then shape, then the work, in this order and nowhere else. */
import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { PlatformError } from '../domain/errors.js'
import { sortKeys } from '../domain/sort-keys.js'
import { authorize } from './auth/authorize.js'
import { watchRight } from './auth/watch-right.js'
import { runWrite } from './idempotency.js'
import { isScoped, type Operation, type ScopedCall } from './operation.js'
import { parsePart, queryOf, refuseBadText } from './parse.js'
import { parseBody, readBody } from './read-body.js'
import type { Services } from './services.js'

const nothing = z.strictObject({})

export function route(op: Operation, services: Services): RequestHandler {
  return async (request, response) => {
    response.locals['operation'] = op.name
    refuseBadText(request.params, 'path')
    const { scope: scopeName, ...pathParams } = request.params as Record<string, string>
    const ask = () =>
      authorize(services.pool, op.policy, request.headers, isScoped(op) ? scopeName : undefined)
    const access = await ask()
    const params = parsePart(op.params ?? nothing, pathParams, 'path')
    // A misspelt name must not be a wish that nobody hears.
    const query = parsePart((op.query ?? nothing).strict(), queryOf(request.url), 'query')
    const base = {
      ...access,
      services,
      requestId: String(response.locals['requestId']),
      params,
      query,
      headers: request.headers,
      ended: endOf(response, services),
    }
    if (op.write || op.compute) return answerPosted(op, base, request, response)
    // The policy decided whether caller and scope are there; a handler sees them only in that case.
    const call = { ...base, body: undefined } as ScopedCall
    if (op.stream) return streamWhileAllowed(op, call, response, ask)
    response.json(answerOf(op, services, await op.handler?.(call)))
  }
}

async function streamWhileAllowed(
  op: Operation,
  call: ScopedCall,
  response: Response,
  ask: () => Promise<unknown>,
): Promise<void> {
  using right = watchRight(ask)
  await op.stream?.({ ...call, ended: AbortSignal.any([call.ended, right.lost]) }, response)
  // What the client has not read yet is not theirs any more.
  if (right.lost.aborted) response.destroy()
}

async function answerPosted(
  op: Operation,
  base: object,
  request: Request,
  response: Response,
): Promise<void> {
  const raw = await readBody(request)
  const call = { ...base, body: bodyOf(op, raw, request.get('content-type')) } as ScopedCall
  if (op.compute) {
    response.json(answerOf(op, call.services, await op.compute(call)))
    return
  }
  const answer = await runWrite(op, call, request, raw)
  if (answer.replayed) response.setHeader('idempotency-replayed', 'true')
  response.status(answer.status).json(answerOf(op, call.services, answer.body))
}

function bodyOf(op: Operation, raw: Buffer, contentType: string | undefined): unknown {
  if (op.bytes) {
    if (/^application\/octet-stream\s*(;|$)/i.test(contentType ?? '')) return raw
    throw new PlatformError(
      'request_invalid',
      'the body must be bytes, with content-type: application/octet-stream',
    )
  }
  const parsed = parseBody(raw, contentType)
  return op.body
    ? parsePart(op.body, parsed === undefined ? {} : parsed, 'body')
    : parsePart(nothing.optional(), parsed, 'body')
}

/** The answer with what its schema names, and nothing else. */
export function answerOf(op: Operation, services: Services, body: unknown): unknown {
  if (!op.response) return body
  const parsed = op.response.safeParse(body)
  if (!parsed.success)
    throw new Error(`the answer of ${op.name} does not match its schema: ${z.prettifyError(parsed.error)}`)
  if (services.strictAnswers && JSON.stringify(sortKeys(parsed.data)) !== JSON.stringify(sortKeys(body))) {
    throw new Error(`the answer of ${op.name} has fields that its schema does not name`)
  }
  return parsed.data
}

function endOf(response: Response, services: Services): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new Error('the client is gone')))
  return AbortSignal.any([gone.signal, services.draining])
}

/** For a known path with a method that it does not have. */
export function methodNotAllowed(methods: readonly string[]): RequestHandler {
  const allow = methods.map((method) => method.toUpperCase()).join(', ')
  return (request, response) => {
    response.setHeader('allow', allow)
    throw new PlatformError(
      'method_not_allowed',
      `${request.method} is not possible here; possible: ${allow}`,
    )
  }
}
