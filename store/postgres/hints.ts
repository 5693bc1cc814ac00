/** Hints: notifications that something changed. They only shorten a wait; whoever misses one looks again within seconds. */
import pg from 'pg'
import type { Db } from './pool.js'

/** executions: ids with new events or output. flags: an execution's pause or cancel. certificates: a request or an answer. */
export type HintChannel = 'executions' | 'flags' | 'certificates'

export async function sendHint(db: Db, channel: HintChannel, payload: string): Promise<void> {
  await db.query('select pg_notify($1, $2)', [`drover_${channel}`, payload])
}

/** Listens until closed; reconnects by itself. `onHint` gets undefined after a gap, when anything may have been missed. */
export class HintListener {
  private client: pg.Client | undefined
  private closed = false
  private readonly handlers = new Map<string, Set<(payload: string | undefined) => void>>()
  private readonly url: string
  private readonly channels: readonly HintChannel[]

  /** @param channels the only ones that are heard: a launch alone sends half a dozen hints to those who listen */
  constructor(url: string, channels: readonly HintChannel[]) {
    this.url = url
    this.channels = channels
    void this.connect()
  }

  /** @returns a function that takes the handler away */
  on(channel: HintChannel, onHint: (payload: string | undefined) => void): () => void {
    const set = this.handlers.get(`drover_${channel}`) ?? new Set()
    this.handlers.set(`drover_${channel}`, set.add(onHint))
    return () => void set.delete(onHint)
  }

  private async connect(): Promise<void> {
    while (!this.closed) {
      const client = new pg.Client({
        connectionString: this.url,
        keepAlive: true,
        keepAliveInitialDelayMillis: 10_000,
        connectionTimeoutMillis: 5_000,
        query_timeout: 10_000,
        application_name: 'drover hints',
      })
      try {
        const ended = new Promise<void>((resolve) => {
          client.on('end', () => resolve())
          client.on('error', () => resolve())
        })
        await client.connect()
        client.on('notification', (hint) =>
          this.handlers.get(hint.channel)?.forEach((handle) => handle(hint.payload ?? '')),
        )
        for (const channel of this.channels) await client.query(`listen drover_${channel}`)
        this.client = client
        for (const set of this.handlers.values()) for (const handle of set) handle(undefined)
        await ended
      } catch {
        // The server is away: the next try is soon enough, for hints are never the only way.
      }
      await client.end().catch(() => {})
      if (!this.closed) await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.client?.end().catch(() => {})
  }
}
