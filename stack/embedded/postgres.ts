/** Embedded PostgreSQL: our own initdb and start, as an unprivileged account when we are root. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { delay } from '../../base/backoff.js'
import type { ChildSpec } from '../supervise/child.js'
import { pidsIn } from '../supervise/proc.js'
import { keep, privateFolder, unprivilegedAccount } from './data.js'
import { ServerError } from './find.js'

const run = promisify(execFile)
const superuser = 'drover'
/** Ours, and the one in which FerretDB keeps its documents. */
const databases = ['drover', 'ferretdb']

export interface PostgresOptions {
  program: string
  data: string
  port: number
  password: string
  /** False only where losing the data at a crash of the machine does not matter: integration tests. */
  fsync: boolean
}

/** The same server and account, another database. */
export function databaseUrl(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

/** Makes the cluster if there is none. */
async function initialise(options: PostgresOptions, folder: string): Promise<void> {
  const cluster = join(folder, 'cluster')
  const account = unprivilegedAccount()
  if (existsSync(join(cluster, 'PG_VERSION'))) {
    const have = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim()
    const { stdout } = await run(options.program, ['--version'], { cwd: '/', ...account })
    const want = /(\d+)\./.exec(stdout)?.[1]
    if (have === want) return
    throw new ServerError(
      `${cluster} was made by PostgreSQL ${have}, and this is ${want}: dump and restore it, or start with a new data folder`,
    )
  }
  const made = join(folder, 'cluster.new')
  rmSync(made, { recursive: true, force: true })
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, options.password, { mode: 0o600 })
  if (account) chownSync(passwordFile, account.uid, account.gid)
  const args = [
    '-D',
    made,
    '--encoding=UTF8',
    '--locale=C',
    '--auth=scram-sha-256',
    `--username=${superuser}`,
  ]
  if (!options.fsync) args.push('--no-sync')
  try {
    await run(join(dirname(options.program), 'initdb'), [...args, `--pwfile=${passwordFile}`], {
      cwd: '/',
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      ...account,
    })
  } catch (error) {
    throw new ServerError(
      `initdb failed: ${(error as { stderr?: string }).stderr ?? (error as Error).message}`,
    )
  } finally {
    rmSync(passwordFile, { force: true })
  }
  // A cluster is there whole or not at all, however initdb ended.
  renameSync(made, cluster)
}

/** How to run it. Makes the cluster first, if there is none. */
export async function postgresSpec(options: PostgresOptions): Promise<{ spec: ChildSpec; url: string }> {
  const account = unprivilegedAccount()
  const folder = privateFolder(options.data, 'postgres', account)
  await initialise(options, folder)
  const url = `postgresql://${superuser}:${options.password}@127.0.0.1:${options.port}/drover`
  const settings = {
    listen_addresses: '127.0.0.1',
    port: options.port,
    unix_socket_directories: '',
    max_connections: 200,
    shared_buffers: '128MB',
    max_wal_size: '1GB',
    log_timezone: 'UTC',
    timezone: 'UTC',
    // A kill of the process loses nothing even so: commits still reach the operating system.
    ...(options.fsync ? {} : { fsync: 'off', full_page_writes: 'off' }),
  }
  const spec: ChildSpec = {
    name: 'postgres',
    command: options.program,
    args: [
      '-D',
      join(folder, 'cluster'),
      ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
    ],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    cwd: '/',
    ...account,
    // "Fast" shutdown: SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    graceMs: 10_000,
    isReady: () => answers(url),
    clearAway: () => endServersOf(join(folder, 'cluster')),
  }
  return { spec, url }
}

const OUTLIVE_MS = 2_000

/**
 * A server that was killed leaves a process for each connection, and no other starts while one of them lives. They end by
 * themselves, unless they are frozen or get no turn.
 */
async function endServersOf(cluster: string): Promise<void> {
  for (const until = Date.now() + OUTLIVE_MS; pidsIn(cluster).length > 0; await delay(50)) {
    if (Date.now() < until) continue
    for (const pid of pidsIn(cluster)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Ended meanwhile.
      }
    }
  }
}

/** The first connections are refused while it starts; the database of the URL may not exist yet. */
async function answers(url: string): Promise<boolean> {
  const client = new Client({
    connectionString: databaseUrl(url, 'postgres'),
    connectionTimeoutMillis: 1_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Creates our databases where they are missing, open to their owner and the one role that is asked for. */
export async function createDatabases(url: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl(url, 'postgres') })
  await client.connect()
  try {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database')
    const have = new Set(rows.map((row) => row.datname))
    for (const name of databases) {
      if (have.has(name)) continue
      await client.query(`create database ${name}`)
      await client.query(`revoke all on database ${name} from public`)
    }
  } finally {
    await client.end()
  }
}

// What gateways may do is granted to this role by the migrations; their logins are members of it.
const GATEWAY_ROLE = 'drover_gateway'

/** The database of `url` as the gateways of this stack see it: by a login whose name and password are kept in the data folder. */
export function gatewayUrl(url: string, data: string): string {
  const kept = keep(join(data, 'gateway-login'), () => `gateway_${hex(4)}:${hex(18)}`)
  const own = new URL(url)
  ;[own.username = '', own.password = ''] = kept.split(':')
  return own.href
}

/**
 * Makes the login of this stack's gateways.
 * @param url the owner's
 * @returns the gateways' own
 */
export async function createGatewayLogin(url: string, data: string): Promise<string> {
  const own = gatewayUrl(url, data)
  const { username: login, password } = new URL(own)
  const client = new Client({ connectionString: databaseUrl(url, 'postgres') })
  await client.connect()
  try {
    for (const [role, options] of [
      [GATEWAY_ROLE, 'nologin'],
      [login, `login password '${password}' in role ${GATEWAY_ROLE}`],
    ] as const) {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
      if (!rowCount) await client.query(`create role ${role} ${options}`).catch(unlessThere)
    }
    await client.query(`grant connect on database ${new URL(url).pathname.slice(1)} to ${GATEWAY_ROLE}`)
  } finally {
    await client.end()
  }
  return own
}

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

/** Two stacks on one server may make the shared role at the same moment. */
function unlessThere(error: { code?: string }): void {
  if (error.code !== '42710' && error.code !== '23505') throw error
}
