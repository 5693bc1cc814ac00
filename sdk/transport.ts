/** One HTTP call, made again while the server is away: every mutation carries a key, so a repeat is never a second action. */
import { DroverError, errorOf } from './error.js'

export type Fetch = (input: string | Request, init?: RequestInit) => Promise<Response>

export interface Connection {
  /** Without a slash at its end. */
  url: string
  token: string
  fetch: Fetch
  /** How often a call is repeated while the server is away. */
  retries: number
}

const BASE_MS = 200
const CAP_MS = 3_000

/** Full jitter: clients that fail together do not return together. */
export function backoffMs(attempt: number, random = Math.random()): number {
  return Math.floor(random * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 10)))
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/**
 * The response to `request`, whatever its status.
 * @throws DroverError unavailable if no answer came
 */
export async function send(connection: Connection, request: Request): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= connection.retries
    try {
      const response = await connection.fetch(request.clone())
      if (last || (response.status !== 503 && response.status !== 429)) return response
      const error = errorOf(
        response.status,
        await response
          .clone()
          .json()
          .catch(() => undefined),
      )
      if (!error.retryable) return response
    } catch (error) {
      request.signal.throwIfAborted()
      if (last) throw noAnswer(connection, error)
    }
    await pause(backoffMs(attempt), request.signal)
  }
}

function noAnswer(connection: Connection, cause: unknown): DroverError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause)
  return new DroverError({
    code: 'unavailable',
    status: 0,
    detail: `no answer from ${connection.url}: ${inner}`,
    cause,
  })
}

/** A GET below the API's root. @throws DroverError for any status but 2xx */
export async function get(
  connection: Connection,
  path: string,
  options: { headers?: Record<string, string>; signal?: AbortSignal | undefined } = {},
): Promise<Response> {
  const request = new Request(`${connection.url}${path}`, {
    headers: { ...options.headers, authorization: `Bearer ${connection.token}` },
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const response = await send(connection, request)
  if (response.ok) return response
  throw errorOf(response.status, await response.json().catch(() => undefined))
}
