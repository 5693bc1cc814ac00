/** The API as a test calls it: plain HTTP, patient with a server that is being killed. */
import { randomUUID } from 'node:crypto'
import type { Platform } from '../../stack/platform/platform'

export interface Answer<T> {
  status: number
  body: T
}

export interface StepView {
  id: string
  position: number
  name: string
  state: string
  reason: string | null
  hosts: number
  counts: Record<string, number>
  undoes: number | null
  startedAt: string | null
  endedAt: string | null
}

export interface ExecutionView {
  id: string
  state: string
  reason: string | null
  continuation: number
  steps: StepView[]
}

export interface HostResultView {
  hostId: string
  hostName: string
  attempt: number
  state: string
  started: string
  reason: string | null
  detail: string | null
  exitCode: number | null
  stdoutBytes: number | null
  tag: string | null
}

export const finalStates = ['succeeded', 'failed', 'cancelled']

export class TestApi {
  private readonly base: string
  private readonly token: string

  constructor(platform: Pick<Platform, 'url' | 'token'>, scope = 'default') {
    this.base = `${platform.url}/api/v1/scopes/${scope}`
    this.token = platform.token
  }

  /** One request, answered whatever the status. Throws only when there is no answer. */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    key = randomUUID() as string,
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(method === 'GET' ? {} : { 'idempotency-key': key, 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
    const text = await response.text()
    return { status: response.status, body: (text ? JSON.parse(text) : undefined) as T }
  }

  /** The same, again and again with one key while the API or its database is away. */
  async insist<T>(method: string, path: string, body?: unknown, forMs = 60_000): Promise<Answer<T>> {
    const key = randomUUID()
    for (const until = Date.now() + forMs; ; await pause(200)) {
      const answer = await this.call<T>(method, path, body, key).catch(() => undefined)
      if (answer && answer.status < 500) return answer
      if (Date.now() > until)
        throw new Error(`${method} ${path} was not answered within ${forMs} ms: ${JSON.stringify(answer)}`)
    }
  }

  async launch(request: Record<string, unknown>): Promise<string> {
    const answer = await this.insist<{ id: string }>('POST', '/executions', request)
    if (answer.status !== 201) throw new Error(`launch: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body.id
  }

  async get(id: string): Promise<ExecutionView> {
    return (await this.insist<ExecutionView>('GET', `/executions/${id}`)).body
  }

  async hosts(id: string, position = 0): Promise<HostResultView[]> {
    const found = await this.insist<{ items: HostResultView[] }>(
      'GET',
      `/executions/${id}/steps/${position}/hosts?limit=1000`,
    )
    return found.body.items
  }

  operate(id: string, operation: Record<string, unknown>) {
    return this.insist<{ state?: string; code?: string; detail?: string }>(
      'POST',
      `/executions/${id}/operations`,
      operation,
    )
  }

  /** Waits for a state of the execution. Throws with all that is known when it does not come. */
  async until(
    id: string,
    isReached: (view: ExecutionView) => boolean,
    forMs = 60_000,
  ): Promise<ExecutionView> {
    for (const until = Date.now() + forMs; ; await pause(50)) {
      const view = await this.get(id)
      if (isReached(view)) return view
      if (Date.now() > until) {
        const hosts = await Promise.all(view.steps.map((step) => this.hosts(id, step.position)))
        throw new Error(
          `run ${id} did not get there within ${forMs} ms: ${JSON.stringify({ view, hosts }, null, 1)}`,
        )
      }
    }
  }

  ended(id: string, forMs?: number): Promise<ExecutionView> {
    return this.until(id, (view) => finalStates.includes(view.state), forMs)
  }

  /** All bytes of a stream, as they are kept. */
  async output(id: string, hostId: string, stream = 'stdout', position = 0): Promise<Buffer> {
    const response = await fetch(
      `${this.base}/executions/${id}/steps/${position}/hosts/${hostId}/output/${stream}`,
      {
        headers: { authorization: `Bearer ${this.token}` },
      },
    )
    if (!response.ok) throw new Error(`output: ${response.status} ${await response.text()}`)
    return Buffer.from(await response.arrayBuffer())
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
