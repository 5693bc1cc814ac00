/** The few API calls of the demo; the SDK takes their place once it covers them. */
import { randomUUID } from 'node:crypto'
import { delay } from '../../base/backoff.js'
import type { Admin } from '../platform/hosts.js'

export interface DemoHost {
  id: string
  name: string
  connected: boolean
}

export interface OutputGroup {
  hosts: number
  nodeset: string
  hostId: string
  state: string
  exitCode: number | null
}

export interface ExecutionDetail {
  id: string
  state: string
  reason: string | null
  steps: { name: string; state: string; counts: Record<string, number>; hosts: number }[]
  links: { temporal: string | null }
}

interface Init {
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** Paths are below the scope `default`. */
export class ApiClient {
  private readonly admin: Admin

  constructor(admin: Admin) {
    this.admin = admin
  }

  async hosts(): Promise<DemoHost[]> {
    return (await this.json<{ items: DemoHost[] }>('/hosts?limit=1000')).items
  }

  launch(body: unknown): Promise<{ id: string }> {
    return this.json('/executions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
      body: JSON.stringify(body),
    })
  }

  execution(id: string): Promise<ExecutionDetail> {
    return this.json(`/executions/${id}`)
  }

  async outputGroups(id: string, step: number): Promise<OutputGroup[]> {
    return (await this.json<{ groups: OutputGroup[] }>(`/executions/${id}/steps/${step}/groups`)).groups
  }

  /** Standard output of one host in one step, as text, once all of it has arrived: a verdict does not wait for output. */
  async output(id: string, step: number, hostId: string): Promise<string> {
    for (const until = Date.now() + 10_000; ; await delay(50)) {
      const response = await this.call(`/executions/${id}/steps/${step}/hosts/${hostId}/output/stdout`)
      const text = await response.text()
      if (response.headers.get('x-output-complete') === 'true' || Date.now() > until) return text
    }
  }

  /** Blocks of an event stream, as `{ event, data }`, until it ends. */
  async *events(path: string): AsyncGenerator<{ event: string; data: unknown }> {
    const response = await this.call(path, { headers: { accept: 'text/event-stream' } })
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
        const data = field('data')
        if (data !== undefined) yield { event: field('event') ?? 'message', data: JSON.parse(data) }
      }
    }
  }

  private async json<T>(path: string, init: Init = {}): Promise<T> {
    return (await (await this.call(path, init)).json()) as T
  }

  private async call(path: string, init: Init = {}): Promise<Response> {
    const response = await fetch(`${this.admin.url}/api/v1/scopes/default${path}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${this.admin.token}` },
    })
    if (response.ok) return response
    throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
  }
}
