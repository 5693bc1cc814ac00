/** Server-sent events: written no faster than the client reads, with a sign of life while nothing happens. */
import { once } from 'node:events'
import type { Response } from 'express'

const HEARTBEAT_MS = 10_000

/** How soon a client should return after the stream ended without an `end` event. */
const RETRY_MS = 1_000

export interface ServerEvent {
  event: string
  data: unknown
  id?: string
}

export class EventStream {
  private readonly response: Response
  private readonly ended: AbortSignal
  private readonly heartbeat: NodeJS.Timeout

  /** @param ended aborted when the client is gone or the process drains */
  constructor(response: Response, ended: AbortSignal) {
    this.response = response
    this.ended = ended
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // Proxies that buffer would turn live into late.
      'x-accel-buffering': 'no',
    })
    response.write(`retry: ${RETRY_MS}\n\n`)
    this.heartbeat = setInterval(() => {
      if (!response.writableNeedDrain) response.write(': alive\n\n')
    }, HEARTBEAT_MS)
  }

  /** Resolves when the client has room for more. Writes nothing once the stream has ended. */
  async send(event: ServerEvent): Promise<void> {
    if (this.ended.aborted || this.response.destroyed) return
    const id = event.id === undefined ? '' : `id: ${event.id}\n`
    // JSON has no raw line breaks, so one data line is enough.
    if (this.response.write(`${id}event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`)) return
    await once(this.response, 'drain', { signal: this.ended }).catch(() => undefined)
  }

  /** Ends the stream; a client that was not sent `end` comes back and resumes. */
  close(): void {
    clearInterval(this.heartbeat)
    if (!this.response.writableEnded) this.response.end()
  }
}
