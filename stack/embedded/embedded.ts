/** The embedded servers together: found, started in the order that is soonest ready, probed, and named by URLs. */
import { join } from 'node:path'
import type { ChildSpec } from '../supervise/child.js'
import { Supervisor } from '../supervise/supervisor.js'
import { lockDataFolder, openDataFolder, secretsOf } from './data.js'
import { findServer, type ServerName } from './find.js'
import { createBucket, minioSpec } from './minio.js'
import { indexContainment, mongoSpec } from './mongo.js'
import { choosePorts, type Ports } from './ports.js'
import { createDatabases, createGatewayLogin, databaseUrl, postgresSpec } from './postgres.js'
import { temporalSpec } from './temporal.js'

export interface EmbeddedOptions {
  /** Absolute; made if it is missing. */
  data: string
  /** All four unless told; `mongo` needs `postgres`. */
  servers?: ServerName[]
  /** False for integration tests only. */
  fsync?: boolean
  /** Which variables name running servers: tests use DROVER_TEST_. */
  prefix?: 'DROVER_' | 'DROVER_TEST_'
  /** Children deaths and the like, for a person. */
  log?: (line: string) => void
  /** Called as each server becomes ready, with the time since the start. */
  onReady?: (name: ServerName, ms: number) => void
  /** Removed when this process is killed, and at close. */
  temporary?: boolean
}

/** Addresses of the servers; empty text where one was not asked for. */
export interface ServerUrls {
  postgres: string
  /** The same database as its gateways see it: by a login that may do little. */
  postgresGateway: string
  temporal: string
  temporalUi: string
  mongo: string
  s3: string
}

export interface Embedded {
  urls: ServerUrls
  ports: Ports
  supervisor: Supervisor
  /** Starts MinIO and makes the bucket; the same promise at every call. */
  startObjectStore(): Promise<void>
  /** Stops all that it started and gives the data folder back. */
  close(): Promise<void>
}

/** What the starters share. */
interface Start {
  options: EmbeddedOptions
  supervisor: Supervisor
  ports: Ports
  urls: ServerUrls
  startedAt: number
}

/**
 * Resolves when Postgres, Temporal and the Mongo wire serve; MinIO waits for `startObjectStore`.
 * @throws ServerError if a server cannot be found or the folder cannot be used, ChildError if one does not come up
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  openDataFolder(options.data)
  const unlock = lockDataFolder(options.data)
  const ports = await choosePorts(join(options.data, 'ports.json'))
  const supervisor = new Supervisor({
    logs: join(options.data, 'logs'),
    ...(options.log ? { log: options.log } : {}),
    ...(options.temporary ? { temporaryFolder: options.data } : {}),
  })
  const urls: ServerUrls = {
    postgres: '',
    postgresGateway: '',
    temporal: '',
    temporalUi: '',
    mongo: '',
    s3: '',
  }
  const start: Start = { options, supervisor, ports, urls, startedAt: Date.now() }
  const close = async () => {
    await supervisor.close()
    ports.close()
    unlock()
  }
  try {
    const wanted = (name: ServerName) => !options.servers || options.servers.includes(name)
    const objectStore = wanted('minio') ? await planObjectStore(start) : () => Promise.resolve()
    await Promise.all([
      wanted('postgres') ? startDatabases(start, wanted('mongo')) : undefined,
      wanted('temporal') ? startTemporal(start) : undefined,
    ])
    let started: Promise<void> | undefined
    return { urls, ports, supervisor, startObjectStore: () => (started ??= objectStore()), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function run(start: Start, name: ServerName, spec: ChildSpec): Promise<void> {
  const [child] = start.supervisor.start(spec)
  await child?.waitReady()
  start.options.onReady?.(name, Date.now() - start.startedAt)
}

function find(start: Start, name: ServerName) {
  return findServer(name, process.env, start.options.prefix)
}

async function startDatabases(start: Start, withMongo: boolean): Promise<void> {
  const { options, ports, urls } = start
  // Both are looked for first, so that a missing one is told at once.
  const postgres = find(start, 'postgres')
  const mongo = withMongo ? find(start, 'mongo') : undefined
  if ('url' in postgres) {
    urls.postgres = postgres.url
  } else {
    const made = await postgresSpec({
      program: postgres.program,
      data: options.data,
      port: await ports.of('postgres'),
      password: secretsOf(options.data).postgresPassword,
      fsync: options.fsync ?? true,
    })
    urls.postgres = made.url
    await run(start, 'postgres', made.spec)
  }
  await createDatabases(urls.postgres)
  urls.postgresGateway = await createGatewayLogin(urls.postgres, options.data)
  if (!mongo) return
  if ('url' in mongo) {
    urls.mongo = mongo.url
    return
  }
  const postgresUrl = databaseUrl(urls.postgres, 'ferretdb')
  if (!(await indexContainment(postgresUrl)))
    options.log?.(
      'this PostgreSQL login is no superuser, so FerretDB gets no index that it can use: reading output gets slower with every day’s output',
    )
  const port = await ports.of('mongo')
  const made = mongoSpec({ program: mongo.program, data: options.data, port, postgresUrl })
  urls.mongo = made.url
  await run(start, 'mongo', made.spec)
}

async function startTemporal(start: Start): Promise<void> {
  const found = find(start, 'temporal')
  if ('url' in found) {
    start.urls.temporal = found.url
    return
  }
  const { ports, urls } = start
  const made = temporalSpec({
    program: found.program,
    data: start.options.data,
    port: await ports.of('temporal'),
    uiPort: await ports.of('temporal-ui'),
    httpPort: await ports.of('temporal-http'),
    metricsPort: await ports.of('temporal-metrics'),
  })
  urls.temporal = made.address
  urls.temporalUi = made.ui
  await run(start, 'temporal', made.spec)
}

/** The URL is known before the server runs, so that the roles can be told. */
async function planObjectStore(start: Start): Promise<() => Promise<void>> {
  const found = find(start, 'minio')
  if ('url' in found) {
    start.urls.s3 = found.url
    return () => createBucket(found.url)
  }
  const { spec, url } = minioSpec({
    program: found.program,
    data: start.options.data,
    port: await start.ports.of('minio'),
    consolePort: await start.ports.of('minio-console'),
    secrets: secretsOf(start.options.data),
  })
  start.urls.s3 = url
  return async () => {
    await run(start, 'minio', spec)
    await createBucket(url)
  }
}
