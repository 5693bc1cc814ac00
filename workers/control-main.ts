/** The worker role: hosts the workflows and their control activities, signs, and sweeps. */
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { createControlActivities } from '../activities/index.js'
import { createLogger } from '../base/logger.js'
import { serveHealth } from '../base/health.js'
import { runRole } from '../base/role.js'
import { listenForShutdown } from '../base/shutdown.js'
import { CONTROL_QUEUE } from '../domain/shard.js'
import { ensureBucket } from '../store/artifact/bucket.js'
import { HintListener } from '../store/postgres/hints.js'
import { migrate } from '../store/postgres/migrate.js'
import { createGuardedPool } from '../store/postgres/ledger-guard.js'
import { createPool, type Pool } from '../store/postgres/pool.js'
import { recoverLedger } from '../store/postgres/recoveries.js'
import { transaction } from '../store/postgres/transaction.js'
import { parseMasterKey } from '../store/seal.js'
import { type ControlConfig, readControlConfig } from './config.js'
import { Desk } from './desk/desk.js'
import { openPlatformKeys, type PlatformKeys } from './desk/keys.js'
import { RestoreWatch } from './desk/restore-watch.js'
import { Sweeper } from './desk/sweeper.js'
import { UpgradeDesk } from './desk/upgrades.js'
import { registerFleetGauges } from './fleet-gauges.js'
import { collectMetrics } from './metrics.js'
import { persist } from './persist.js'

const logger = createLogger('worker')

async function run(config: ControlConfig): Promise<void> {
  const shutdown = listenForShutdown()
  let notReady: string | undefined = 'starting'
  await using _health = await serveHealth(config.healthListen, {
    notReady: () => notReady,
    metrics: collectMetrics,
  })
  const pool = createGuardedPool(config.postgresUrl, 20)
  await persist(logger, 'the database', () => migrate(pool), shutdown.signal)
  // Not guarded: this is what ends that for which the guarded wait.
  const unguarded = createPool(config.postgresUrl, 2)
  await recoverAsTold(unguarded, config.recovery)
  await using restores = new RestoreWatch(unguarded, logger.child({ name: 'worker:restore' }))
  const master = parseMasterKey(config.masterKey)
  const keys = await persist(
    logger,
    'the platform keys',
    () => openPlatformKeys(pool, master, config.hostCertificateMs),
    shutdown.signal,
  )
  registerFleetGauges(pool, logger.child({ name: 'worker:metrics' }))
  const hints = new HintListener(config.postgresUrl, ['flags', 'certificates'])
  // Signing must go on while Temporal is away: the desk needs the database alone.
  await using _desk = new Desk(pool, hints, keys, logger.child({ name: 'worker:desk' }))
  await using _upgrades = new UpgradeDesk({
    pool,
    hints,
    signer: keys.signer,
    logger: logger.child({ name: 'worker:upgrades' }),
  })
  // Nothing of a run needs the artifact store yet: it is made ready beside everything else.
  if (config.s3Url) void makeBucket(config.s3Url, shutdown.signal)

  const client = new Client({
    connection: Connection.lazy({ address: config.temporalAddress }),
    namespace: config.temporalNamespace,
  })
  await using _sweeper = new Sweeper(pool, client, logger.child({ name: 'worker:sweeper' }))
  const worker = await persist(logger, 'Temporal', () => createWorker(config, pool, keys), shutdown.signal)
  void shutdown.requested.then(() => worker.getState() === 'RUNNING' && worker.shutdown())
  notReady = undefined
  logger.info({ queue: CONTROL_QUEUE }, 'the worker is ready')
  await worker.run()
  notReady = 'ending'
  await worker.connection?.close()
  await client.connection.close()
  await hints.close()
  await pool.end()
  await restores[Symbol.asyncDispose]()
  await unguarded.end()
}

/** The operator's word for a restore that was planned: before anything else is done on this database, and once. */
async function recoverAsTold(unguarded: Pool, name: string): Promise<void> {
  if (!name) return
  const recovery = await transaction(unguarded, (tx) =>
    recoverLedger(tx, { cause: 'operator', name, detail: { by: 'DROVER_RECOVERY' } }),
  )
  if (recovery)
    logger.warn({ name, tag: recovery.tag, held: recovery.held }, 'the database was recovered as told')
}

async function makeBucket(s3Url: string, signal: AbortSignal): Promise<void> {
  try {
    await persist(logger, 'the artifact store', () => ensureBucket(s3Url), signal)
  } catch (err) {
    logger.debug({ err }, 'the worker ended before the artifact store was there')
  }
}

async function createWorker(
  config: ControlConfig,
  pool: Pool,
  { signer, vault }: PlatformKeys,
): Promise<Worker> {
  const { lostAfterMs, shardMaxHosts, historyMaxEvents, workflowBundle } = config
  return Worker.create({
    connection: await NativeConnection.connect({ address: config.temporalAddress }),
    namespace: config.temporalNamespace,
    taskQueue: CONTROL_QUEUE,
    ...(workflowBundle
      ? { workflowBundle: { codePath: path.resolve(workflowBundle) } }
      : { workflowsPath: require.resolve('../workflows/index.js') }),
    activities: createControlActivities({
      pool,
      signer,
      vault,
      lostAfterMs,
      shardMaxHosts,
      historyMaxEvents,
    }),
    maxCachedWorkflows: 500,
    // Each step that waits for hosts, or watches them for failures, has one for as long as it does.
    maxConcurrentActivityTaskExecutions: 2_000,
    maxHeartbeatThrottleInterval: '2 s',
    stickyQueueScheduleToStartTimeout: '2 s',
    shutdownGraceTime: '10 s',
    shutdownForceTime: '20 s',
  })
}

void runRole({
  name: 'worker',
  help: 'Hosts the workflows and control activities, signs orders and certificates, and sweeps. Settings: docs/reference/configuration.md.',
  readConfig: readControlConfig,
  run,
})
