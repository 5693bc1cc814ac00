/** The Express application: every operation at its path, and nothing that is not an operation but health. */
import { randomUUID } from 'node:crypto'
import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import { PlatformError } from '../domain/errors.js'
import { errorHandler } from './error-handler.js'
import { healthRoutes } from './health.js'
import { fullPath, type Operation } from './operation.js'
import { methodNotAllowed, route } from './route.js'
import type { Services } from './services.js'

export function createApp(operations: readonly Operation[], services: Services): Express {
  const app = express()
  app.disable('etag')
  app.disable('x-powered-by')
  app.set('query parser', false)
  app.set('case sensitive routing', true)
  app.use(helmet({ crossOriginResourcePolicy: { policy: 'same-origin' } }))
  app.use(identify(services))
  app.use(healthRoutes(services))
  const methods = new Map<string, string[]>()
  for (const op of operations) {
    const path = fullPath(op).replaceAll(/\{(\w+)\}/g, ':$1')
    methods.set(path, [...(methods.get(path) ?? []), op.method])
    app[op.method](path, route(op, services))
  }
  // `/hosts/upgrade` is also a `/hosts/:hostId`: the path with fewer parameters knows its methods better.
  const parameters = ([path]: [string, string[]]) => path.split(':').length
  for (const [path, known] of [...methods].sort((a, b) => parameters(a) - parameters(b)))
    app.all(path, methodNotAllowed(known))
  app.use((request) => {
    throw new PlatformError(
      'not_found',
      `there is nothing at ${request.path.slice(0, 200)}; see /api/v1/openapi.json`,
    )
  })
  app.use(errorHandler(services.logger))
  return app
}

/** Gives each request its id, and counts it when it is answered. */
function identify(services: Services): RequestHandler {
  return (_request, response, next) => {
    const startedAt = performance.now()
    const requestId = randomUUID()
    response.locals['requestId'] = requestId
    response.setHeader('x-request-id', requestId)
    response.once('finish', () => {
      const operation = String(response.locals['operation'] ?? 'none')
      services.metrics.requests.inc({ operation, status: String(response.statusCode) })
      if (!response.locals['stream'])
        services.metrics.durations.observe({ operation }, (performance.now() - startedAt) / 1000)
    })
    next()
  }
}
