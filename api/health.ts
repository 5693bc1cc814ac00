/** What machines ask of the api: is it up, can it serve, what has it counted. Public, for they hold no data of anyone. */
import type { Router } from 'express'
import express from 'express'
import type { Services } from './services.js'

export function healthRoutes(services: Services): Router {
  const router = express.Router()
  router.get('/healthz', (_request, response) => {
    response.json({ status: 'up', version: services.version })
  })
  router.get('/readyz', async (_request, response) => {
    if (services.draining.aborted) {
      response.status(503).json({ status: 'draining' })
      return
    }
    try {
      await services.pool.query('select 1')
      response.json({ status: 'ready', version: services.version })
    } catch {
      response.status(503).json({ status: 'postgres is away' })
    }
  })
  router.get('/metrics', async (_request, response) => {
    response.type(services.metrics.registry.contentType).send(await services.metrics.registry.metrics())
  })
  return router
}
