/** The health listener of a role without an HTTP face of its own: /healthz, /readyz and /metrics. */
import http from 'node:http'

export interface Health {
  /** Why the role is not ready, or undefined if it is. */
  notReady: () => string | undefined
  /** Text of /metrics, in the Prometheus format. */
  metrics: () => Promise<string>
}

/**
 * @param listen host:port; empty for none
 * @returns what ends it
 */
export async function serveHealth(listen: string, health: Health): Promise<AsyncDisposable> {
  if (!listen) return { [Symbol.asyncDispose]: async () => {} }
  const [host, port] = [
    listen.slice(0, listen.lastIndexOf(':')),
    Number(listen.slice(listen.lastIndexOf(':') + 1)),
  ]
  const server = http.createServer((request, response) => {
    answer(request.url ?? '', health).then(
      ({ status, body }) =>
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body),
      () => response.writeHead(500).end(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(url: string, health: Health): Promise<{ status: number; body: string }> {
  if (url === '/healthz') return { status: 200, body: 'ok\n' }
  if (url === '/metrics') return { status: 200, body: await health.metrics() }
  if (url !== '/readyz') return { status: 404, body: 'not found\n' }
  const why = health.notReady()
  return why === undefined ? { status: 200, body: 'ready\n' } : { status: 503, body: `${why}\n` }
}
