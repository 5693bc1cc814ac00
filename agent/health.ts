/** How the agent says that it is well: a small HTTP listener for the host, and a file for `--healthz` without one. */
import { createServer, get, type Server } from 'node:http'
import { join } from 'node:path'
import type { Address } from './config.js'
import { readJson, writeFileAtomic } from './files.js'

export interface Health {
  ok: boolean
  /** One sentence. */
  detail: string
  atMs: number
}

export type HealthSource = () => { ok: boolean; detail: string; metrics: Record<string, number> }

const WRITE_MS = 10_000
const STALE_MS = 35_000

export class HealthReport {
  private readonly source: HealthSource
  private readonly file: string
  private server: Server | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(state: string, source: HealthSource) {
    this.file = join(state, 'health.json')
    this.source = source
  }

  async start(listen: Address | undefined): Promise<void> {
    await this.write()
    this.timer = setInterval(() => void this.write(), WRITE_MS)
    this.timer.unref()
    if (!listen) return
    this.server = createServer((request, response) => {
      const { ok, detail, metrics } = this.source()
      if (request.url === '/healthz') return response.writeHead(ok ? 200 : 503).end(`${detail}\n`)
      if (request.url !== '/metrics') return response.writeHead(404).end()
      const lines = Object.entries(metrics).map(([name, value]) => `drover_agent_${name} ${value}\n`)
      return response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(lines.join(''))
    })
    const server = this.server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(listen.port, listen.host, resolve)
    })
  }

  async stop(): Promise<void> {
    clearInterval(this.timer)
    this.server?.closeAllConnections()
    this.server?.close()
    await writeFileAtomic(
      this.file,
      JSON.stringify({ ok: false, detail: 'stopped', atMs: Date.now() }),
    ).catch(() => undefined)
  }

  private async write(): Promise<void> {
    const { ok, detail } = this.source()
    const health: Health = { ok, detail, atMs: Date.now() }
    // A full disk must not end the agent; the file then grows stale, which is the truth.
    await writeFileAtomic(this.file, JSON.stringify(health)).catch(() => undefined)
  }
}

/** Asks the agent that runs with this configuration: its listener, or else its file. */
export async function askHealth(config: {
  state: string
  healthListen: Address | undefined
}): Promise<Health> {
  if (config.healthListen) return askListener(config.healthListen)
  const health = await readJson<Health>(join(config.state, 'health.json'))
  if (!health) return { ok: false, detail: 'no agent has run with this state folder', atMs: 0 }
  if (Date.now() - health.atMs > STALE_MS)
    return { ...health, ok: false, detail: 'the agent does not run, or hangs' }
  return health
}

function askListener(listen: Address): Promise<Health> {
  return new Promise((resolve) => {
    const call = get(
      { host: listen.host, port: listen.port, path: '/healthz', timeout: 3_000 },
      (response) => {
        let text = ''
        response.on('data', (piece: Buffer) => {
          text += piece.toString()
        })
        response.once('end', () =>
          resolve({ ok: response.statusCode === 200, detail: text.trim(), atMs: Date.now() }),
        )
      },
    )
    call.once('timeout', () => call.destroy(new Error('no answer')))
    call.once('error', (error) =>
      resolve({ ok: false, detail: `the agent does not answer: ${error.message}`, atMs: 0 }),
    )
  })
}
