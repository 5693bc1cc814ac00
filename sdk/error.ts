/** What a call of the API can fail with. */

/** The problem that the API answered with, or `unavailable` where no answer came. Branch on `code`, never on the message. */
export class DroverError extends Error {
  override name = 'DroverError'
  /** See docs/reference/errors.md. */
  readonly code: string
  /** HTTP status; 0 where no answer came. */
  readonly status: number
  /** What happened and what to do, for a person. */
  readonly detail: string
  /** Facts for a program, such as the number of hosts to confirm. */
  readonly details: Record<string, unknown>
  /** Look for it in the log of the api. */
  readonly requestId: string | undefined

  constructor(problem: {
    code: string
    status: number
    detail: string
    details?: Record<string, unknown> | undefined
    requestId?: string | undefined
    cause?: unknown
  }) {
    super(problem.detail, problem.cause === undefined ? undefined : { cause: problem.cause })
    this.code = problem.code
    this.status = problem.status
    this.detail = problem.detail
    this.details = problem.details ?? {}
    this.requestId = problem.requestId
  }

  /** Whether the same call, with the same Idempotency-Key, may succeed later. */
  get retryable(): boolean {
    return this.code === 'unavailable' && this.details['decided'] !== true
  }
}

/** The error that a response tells of. */
export function errorOf(status: number, body: unknown): DroverError {
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const text = (name: string) => (typeof problem[name] === 'string' ? problem[name] : undefined)
  return new DroverError({
    // A proxy's answer is no problem of ours: what it means is in its status alone.
    code: text('code') ?? (status === 429 || status >= 502 ? 'unavailable' : 'internal'),
    status,
    detail: text('detail') ?? `the server answered ${status}, and not as Drover does`,
    details: problem['details'] as Record<string, unknown> | undefined,
    requestId: text('requestId'),
  })
}
