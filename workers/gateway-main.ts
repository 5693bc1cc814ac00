/** The gateway role: the agents' front door, and the Temporal worker that carries shards through on its own queue. */
import { randomUUID } from 'node:crypto'
import { NativeConnection, Worker } from '@temporalio/worker'
import { createGatewayActivities } from '../activities/index.js'
import { serveHealth } from '../base/health.js'
import { createLogger } from '../base/logger.js'
import { runRole } from '../base/role.js'
import { keyOfSecret } from '../base/secret-key.js'
import { listenForShutdown } from '../base/shutdown.js'
import { gatewayQueue } from '../domain/shard.js'
import { Gateway } from '../gateway/gateway.js'
import { connectLog } from '../store/log/connect.js'
import { mayTooMuch } from '../store/postgres/gateways.js'
import { HintListener } from '../store/postgres/hints.js'
import { isMigrated } from '../store/postgres/migrate.js'
import { createGuardedPool } from '../store/postgres/ledger-guard.js'
import type { Pool } from '../store/postgres/pool.js'
import { firstScope, type Scope } from '../store/postgres/scopes.js'
import { type GatewayConfig, readGatewayConfig } from './config.js'
import { registerGatewayMetrics } from './gateway-metrics.js'
import { collectMetrics } from './metrics.js'
import { persist } from './persist.js'

const logger = createLogger('gateway')

async function run(config: GatewayConfig): Promise<void> {
  const shutdown = listenForShutdown()
  let notReady: string | undefined = 'starting'
  await using _health = await serveHealth(config.healthListen, {
    notReady: () => notReady,
    metrics: collectMetrics,
  })
  const pool = createGuardedPool(config.postgresUrl, 20)
  const { client: mongo, log } = connectLog(config.mongoUrl)
  const hints = new HintListener(config.postgresUrl, ['flags', 'certificates'])
  const { id: scopeId } = await persist(
    logger,
    'the database schema',
    () => needSchema(pool),
    shutdown.signal,
  )
  const address = config.advertise || `${config.listen.host}:${config.listen.port}`
  const self = { scopeId, name: config.name, bootId: randomUUID(), address }
  const key = keyOfSecret(config.secret, 'drover gateway')
  const gateway = new Gateway({ pool, log, hints, logger, self, heartbeatMs: config.heartbeatMs, key })
  registerGatewayMetrics(gateway)

  const onNameLost = () => {
    logger.fatal({ gateway: config.name }, 'another process has taken this name; this one ends at once')
    process.exit(1)
  }
  const credentials = await persist(
    logger,
    'a worker that signs',
    () => gateway.prepare(shutdown.signal),
    shutdown.signal,
  )
  await gateway.start(credentials, { ...config.listen, signal: shutdown.signal, onNameLost })
  const worker = await persist(logger, 'Temporal', () => createWorker(config, gateway), shutdown.signal)
  notReady = undefined
  logger.info({ gateway: config.name, ...gateway.address }, 'the gateway is ready')
  void shutdown.requested.then(async () => {
    notReady = 'draining'
    await gateway.drain()
    if (worker.getState() === 'RUNNING') worker.shutdown()
  })
  await worker.run()
  await gateway.close()
  await worker.connection?.close()
  await hints.close()
  await mongo.close()
  await pool.end()
}

async function createWorker(config: GatewayConfig, gateway: Gateway): Promise<Worker> {
  return Worker.create({
    connection: await NativeConnection.connect({ address: config.temporalAddress }),
    namespace: config.temporalNamespace,
    taskQueue: gatewayQueue(config.name),
    activities: createGatewayActivities(gateway),
    // One shard is one slot, whatever its hosts; a slot is but a wait.
    maxConcurrentActivityTaskExecutions: 2_000,
    maxConcurrentActivityTaskPolls: 4,
    maxHeartbeatThrottleInterval: '2 s',
    shutdownGraceTime: '2 s',
    shutdownForceTime: '30 s',
  })
}

async function needSchema(pool: Pool): Promise<Scope> {
  if (!(await isMigrated(pool))) {
    throw new Error('the schema is not up to date yet: a worker or an api brings it there')
  }
  if (await mayTooMuch(pool))
    logger.warn('the database login may do what no gateway needs; see docs/operations/database-roles.md')
  return firstScope(pool)
}

void runRole({
  name: 'gateway',
  help: "The agents' front door. Settings: docs/reference/configuration.md.",
  readConfig: readGatewayConfig,
  run,
})
