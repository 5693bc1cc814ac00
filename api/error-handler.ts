/** The border between errors and HTTP: the one place that knows which kind is which status. */
import type { ErrorRequestHandler, Response } from 'express'
import type { Logger } from '../base/logger.js'
import { type ErrorCode, type ErrorKind, PlatformError } from '../domain/errors.js'

const statusOfKind: Record<ErrorKind, number> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 409,
  resource_exhausted: 429,
  unavailable: 503,
  deadline_exceeded: 504,
  cancelled: 409,
  internal: 500,
}

// Where HTTP has a status of its own for what is one kind to us.
const statusOfCode: Partial<Record<ErrorCode, number>> = {
  body_too_large: 413,
  script_too_large: 413,
  range_invalid: 416,
  method_not_allowed: 405,
  headers_too_large: 431,
  request_too_slow: 408,
}

export function statusOf(error: PlatformError): number {
  return statusOfCode[error.code] ?? statusOfKind[error.kind]
}

export interface Problem {
  type: string
  title: string
  status: number
  code: ErrorCode
  detail: string
  requestId: string
  details?: Record<string, unknown>
}

export function toProblem(error: PlatformError, requestId: string): Problem {
  return {
    type: `urn:drover:error:${error.code}`,
    title: error.code.replaceAll('_', ' '),
    status: statusOf(error),
    code: error.code,
    detail: error.message,
    requestId,
    ...(error.details ? { details: error.details } : {}),
  }
}

// PostgreSQL: connections, shutdown, resources, and what a second try would settle.
const passingSqlStates = /^(08|53|57P|40001|40P01|57014|55P03)/
const passingNodeCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
])
const passingTexts =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|connection error and is not queryable/
const passingMongoNames = new Set([
  'MongoServerSelectionError',
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoNotConnectedError',
])

/** Whether a store was away: the same request may succeed later. Told by its fields, for drivers have errors of their own. */
export function isStoreAway(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, name, message, errors } = error as Record<'code' | 'name' | 'message' | 'errors', unknown>
  if (typeof code === 'string' && (passingSqlStates.test(code) || passingNodeCodes.has(code))) return true
  if (typeof name === 'string' && passingMongoNames.has(name)) return true
  if (typeof message === 'string' && passingTexts.test(message)) return true
  return Array.isArray(errors) && errors.some(isStoreAway)
}

/** Any error as one of the catalogue. */
export function toPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error
  if (error instanceof URIError) {
    return new PlatformError('request_invalid', 'the path is not properly percent-encoded', { cause: error })
  }
  if (isStoreAway(error)) {
    return new PlatformError(
      'unavailable',
      'a store is away; nothing was changed by this request as far as is known, try again with the same Idempotency-Key',
      {
        cause: error,
      },
    )
  }
  return new PlatformError(
    'internal',
    'something went wrong on our side; look for the request id in the log of the api',
    { cause: error },
  )
}

const RETRY_AFTER_SECONDS = '1'

export function sendProblem(response: Response, error: PlatformError, requestId: string): void {
  const problem = toProblem(error, requestId)
  if (error.retryable && problem.status === 503) response.setHeader('retry-after', RETRY_AFTER_SECONDS)
  if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer realm="drover"')
  response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Express' last handler. */
export function errorHandler(logger: Logger): ErrorRequestHandler {
  // Express tells an error handler by its four parameters.
  return (fault, request, response, _next) => {
    // The client left while it was sending, or while it was answered; or the answer was cut off: there is no one to tell.
    const isCutOff = response.headersSent && fault instanceof Error && fault.name === 'AbortError'
    if (isCutOff || (request.destroyed && !request.complete)) {
      response.destroy()
      return
    }
    const error = toPlatformError(fault)
    const requestId = String(response.locals['requestId'])
    if (error.code === 'internal') {
      logger.error(
        { err: error.cause ?? error, requestId, method: request.method, path: request.path },
        'a request failed',
      )
    } else if (error.kind === 'unavailable') {
      logger.warn(
        { err: error.cause ?? error, requestId, path: request.path },
        'a request could not be served',
      )
    }
    // Bytes are on their way already: only a broken connection tells the client that they are not all.
    if (response.headersSent) response.destroy()
    else sendProblem(response, error, requestId)
  }
}
