/** The api as a running thing: started from its configuration, drained at its end. */
import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Request, Response } from 'express'
import { delay, fullJitter } from '../base/backoff.js'
import { createLogger, type Logger } from '../base/logger.js'
import { connectLog } from '../store/log/connect.js'
import { HintListener } from '../store/postgres/hints.js'
import { migrate } from '../store/postgres/migrate.js'
import { createGuardedPool } from '../store/postgres/ledger-guard.js'
import type { Pool } from '../store/postgres/pool.js'
import { createApp } from './app.js'
import { bootstrap } from './bootstrap.js'
import { answerClientErrors, refuseAddress } from './client-error.js'
import type { Config } from './config.js'
import { Engine } from './engine.js'
import { isStoreAway } from './error-handler.js'
import { ExecutionSignals } from './execution-signals.js'
import { createMetrics } from './metrics.js'
import { openApiDocument } from './openapi.js'
import { operations } from './routes.js'
import type { Services } from './services.js'
import { version } from './version.js'

export interface RunningApi extends AsyncDisposable {
  /** http://host:port */
  url: string
}

/** How long requests in flight may still take once the process was asked to end. */
const DRAIN_MS = 10_000

/** How long a client may take to send its request: a slow one holds a connection, never more. */
export interface RequestLimits {
  headersMs: number
  wholeMs: number
}

const defaultLimits: RequestLimits = { headersMs: 20_000, wholeMs: 120_000 }

/**
 * Waits for PostgreSQL, brings its schema up to date, makes the first administrator and listens.
 * @param options.strictAnswers refuse answers that differ from their schema: for tests
 * @param options.signal gives up waiting for PostgreSQL
 * @param options.limits other times for slow clients: for tests
 */
export async function start(
  config: Config,
  options: { strictAnswers?: boolean; signal?: AbortSignal; limits?: RequestLimits } = {},
): Promise<RunningApi> {
  const logger = createLogger('api')
  const pool = createGuardedPool(config.postgresUrl, 20)
  const { client: mongo, log: output } = connectLog(config.mongoUrl)
  const draining = new AbortController()
  // Waiting for the database comes before anything that needs to be closed in order.
  await prepareDatabase(pool, config, logger, options.signal)
  const hints = new HintListener(config.postgresUrl, ['executions'])
  const services: Services = {
    pool,
    output,
    engine: new Engine(config.temporalAddress, config.temporalNamespace),
    signals: new ExecutionSignals(hints),
    metrics: createMetrics(),
    logger,
    version: version(),
    temporalUi: config.temporalUi,
    temporalNamespace: config.temporalNamespace,
    strictAnswers: options.strictAnswers ?? false,
    draining: draining.signal,
    openApi: () => openApiDocument(operations, version()),
  }
  const closeStores = async () => {
    services.signals.close()
    await Promise.allSettled([hints.close(), services.engine.close(), mongo.close(), pool.end()])
  }
  try {
    const server = await listen(config, services, options.limits ?? defaultLimits)
    const { port } = server.address() as AddressInfo
    const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host
    const url = `${config.tls ? 'https' : 'http'}://${host}:${port}`
    logger.info({ url, version: version() }, 'the api listens')
    return {
      url,
      async [Symbol.asyncDispose]() {
        draining.abort(new Error('the api is ending'))
        await closeServer(server)
        await closeStores()
        logger.info('the api has ended')
      },
    }
  } catch (error) {
    await closeStores()
    throw error
  }
}

async function prepareDatabase(
  pool: Pool,
  config: Config,
  logger: Logger,
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const ran = await migrate(pool)
      if (ran.length) logger.info({ migrations: ran }, 'the database schema was brought up to date')
      return await bootstrap(pool, config.bootstrapTokenFile, logger)
    } catch (error) {
      if (!isStoreAway(error) && !isStoreAway((error as Error).cause)) throw error
      logger.warn({ err: error, attempt }, 'waiting for PostgreSQL')
      await delay(250 + fullJitter(attempt, Math.random(), 250, 3_000), signal)
    }
  }
}

async function listen(config: Config, services: Services, limits: RequestLimits): Promise<Server> {
  const app = createApp(operations, services)
  const listener: RequestListener = (request, response) => {
    app(request as Request, response as Response, () => refuseAddress(response))
  }
  const times = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.wholeMs,
    connectionsCheckingInterval: Math.min(5_000, limits.headersMs),
  }
  const server = config.tls
    ? createHttpsServer({ ...config.tls, ...times }, listener)
    : createHttpServer(times, listener)
  answerClientErrors(server)
  server.keepAliveTimeout = 65_000
  server.listen(config.listen.port, config.listen.host)
  await once(server, 'listening')
  return server
}

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // A connection becomes idle when its last answer has gone out, and would be kept for the next request.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  server.closeIdleConnections()
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
  await closed
  clearInterval(idle)
  clearTimeout(late)
}
