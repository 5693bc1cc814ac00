/** A whole platform from one call: embedded servers, roles, agents. What `up`, `demo` and the tests start. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import { createDrover, type Drover } from '../../sdk/index.js'
import { defaultDataFolder, keep, temporaryDataFolder } from '../embedded/data.js'
import { type Embedded, startEmbedded } from '../embedded/embedded.js'
import { checkout } from '../embedded/find.js'
import { watchAncestors } from '../supervise/ancestors.js'
import type { Child, ChildSpec } from '../supervise/child.js'
import { createJoinToken, type StackHost, stackHosts } from './hosts.js'
import {
  adminTokenFile,
  agentSpec,
  agentState,
  apiSpec,
  gatewaySpec,
  masterKeyFile,
  type Role,
  type RoleContext,
  type RoleEnvironment,
  workerSpec,
} from './roles.js'

export interface PlatformOptions {
  /** Absolute. Without it: a temporary folder if `ephemeral`, otherwise that of `name`. */
  data?: string
  /** Of persistent data; `default` unless told. */
  name?: string
  /** The data goes with the platform. */
  ephemeral?: boolean
  /** How many hosts to play, in two racks; 8 unless told. */
  agents?: number
  apis?: number
  workers?: number
  gateways?: number
  /** More environment per role. */
  env?: RoleEnvironment
  /** The last word on the environment of one role or agent, by its name: how chaos lays its relays in between. */
  adjustEnv?: (child: string, env: ChildSpec['env']) => ChildSpec['env']
  /** Other programs per role, below the checkout. */
  programs?: Partial<Record<Role, string>>
  /** MinIO: before the call returns, beside what follows it (unless told), or when `startObjectStore` is called. */
  objectStore?: 'wait' | 'background' | 'manual'
  /** False only for integration tests. */
  fsync?: boolean
  prefix?: 'DROVER_' | 'DROVER_TEST_'
  /** Deaths and restarts of children. */
  log?: (line: string) => void
  /** Called as each part becomes ready, with the time since the start of the platform. */
  onReady?: (part: string, ms: number) => void
}

export interface Platform {
  data: string
  /** Of the first API. */
  url: string
  /** The administrator's. */
  token: string
  /** What clients of this platform need: DROVER_URL, DROVER_TOKEN, DROVER_GATEWAYS and the stores' addresses. */
  env: Record<string, string>
  hosts: StackHost[]
  /** `postgres temporal mongo minio api-1 worker-1 gateway-1 rack-a-1 …`. */
  child(name: string): Child
  names(): string[]
  /** Starts one more, which stops before the others. */
  startChild(spec: ChildSpec): Child
  /** State root of a host's agent. */
  agentState(host: string): string
  startObjectStore(): Promise<void>
  close(): Promise<void>
}

/** The platform while it is being started. */
interface Start {
  options: PlatformOptions
  embedded: Embedded
  context: RoleContext
  ready: (part: string) => void
}

const numbered = (role: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)

/**
 * Resolves when every role serves and every agent runs; agents may still be connecting.
 * @throws ServerError, ChildError: with what a person can do about it; nothing is left running then
 */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const startedAt = Date.now()
  const ready = (part: string) => options.onReady?.(part, Date.now() - startedAt)
  const ephemeral = options.ephemeral ?? false
  const data =
    options.data ??
    (ephemeral ? temporaryDataFolder() : defaultDataFolder(options.name ?? 'default', process.env))
  const embedded = await startEmbedded({
    data,
    temporary: ephemeral,
    fsync: options.fsync ?? true,
    ...(options.prefix ? { prefix: options.prefix } : {}),
    ...(options.log ? { log: options.log } : {}),
    onReady: ready,
  })
  let closing: Promise<void> | undefined
  const close = () => (closing ??= end())
  const unwatch = watchAncestors(() => void close().finally(() => process.exit(129)))
  async function end() {
    unwatch()
    await embedded.close()
    if (ephemeral) rmSync(data, { recursive: true, force: true })
  }
  try {
    const context = makeContext(options, embedded, data)
    return { ...(await startAll({ options, embedded, context, ready })), close }
  } catch (error) {
    await close()
    throw error
  }
}

function makeContext(options: PlatformOptions, embedded: Embedded, data: string): RoleContext {
  keep(masterKeyFile(data), () => randomBytes(32).toString('base64'))
  return {
    checkout: checkout(),
    data,
    urls: embedded.urls,
    overrides: options.env ?? {},
    programs: options.programs ?? {},
    marker: embedded.supervisor.marker,
  }
}

async function startAll(start: Start): Promise<Omit<Platform, 'close'>> {
  const { options, embedded, context } = start
  const { supervisor, urls } = embedded
  const hosts = stackHosts(options.agents ?? 8)
  const objectStore = options.objectStore ?? 'background'
  const roles = await startRoles(start)
  const admin = { url: `http://127.0.0.1:${roles.apiPort}`, token: await readToken(context.data) }
  await startAgents(start, hosts, roles.gateways, createDrover(admin))
  if (objectStore === 'wait') await embedded.startObjectStore()
  if (objectStore === 'background') {
    embedded.startObjectStore().catch((error: unknown) => options.log?.(`minio: ${(error as Error).message}`))
  }
  return {
    data: context.data,
    ...admin,
    env: {
      DROVER_URL: admin.url,
      DROVER_TOKEN: admin.token,
      DROVER_GATEWAYS: roles.gateways.join(','),
      DROVER_TEMPORAL_ADDRESS: urls.temporal,
      DROVER_TEMPORAL_UI: urls.temporalUi,
      DROVER_POSTGRES_URL: urls.postgres,
      DROVER_MONGO_URL: urls.mongo,
      DROVER_S3_URL: urls.s3,
    },
    hosts,
    child: (name) => supervisor.child(name),
    names: () => supervisor.names(),
    startChild: (spec) => {
      const [child] = supervisor.start(adjusted(options, spec))
      if (!child) throw new Error(`${spec.name} was not started`)
      return child
    },
    agentState: (host) => agentState(context.data, host),
    startObjectStore: () => embedded.startObjectStore(),
  }
}

/** Starts api, worker and gateway side by side: each waits by itself for what it needs of the others. */
async function startRoles({ options, embedded, context, ready }: Start) {
  const { ports, supervisor } = embedded
  const apis = await Promise.all(
    numbered('api', options.apis ?? 1).map(async (name) => ({ name, port: await ports.of(name) })),
  )
  const workers = await Promise.all(
    numbered('worker', options.workers ?? 1).map(async (name) => ({ name, port: await ports.of(name) })),
  )
  const gateways = await Promise.all(
    numbered('gateway', options.gateways ?? 1).map(async (name) => ({
      name,
      ports: { agents: await ports.of(name), health: await ports.of(`${name}-health`) },
    })),
  )
  const specs = [
    ...apis.map(({ name, port }) => apiSpec(context, name, port)),
    ...workers.map(({ name, port }) => workerSpec(context, name, port)),
    ...gateways.map((gateway) => gatewaySpec(context, gateway.name, gateway.ports)),
  ]
  const children = supervisor.start(...specs.map((spec) => adjusted(options, spec)))
  await Promise.all(children.map((child) => child.waitReady().then(() => ready(child.name))))
  return {
    apiPort: apis[0]?.port ?? 0,
    gateways: gateways.map((gateway) => `127.0.0.1:${gateway.ports.agents}`),
  }
}

function adjusted({ adjustEnv }: PlatformOptions, spec: ChildSpec): ChildSpec {
  return adjustEnv ? { ...spec, env: adjustEnv(spec.name, spec.env) } : spec
}

async function readToken(data: string): Promise<string> {
  const file = adminTokenFile(data)
  for (const until = Date.now() + 10_000; Date.now() < until; await delay(50)) {
    const token = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
    if (token) return token
  }
  throw new Error(`the API is ready and wrote no administrator's token to ${file}`)
}

function hasIdentity(data: string, host: string): boolean {
  // Written by the agent when it has joined (agent/identity/store.ts).
  return existsSync(join(agentState(data, host), 'identity/host.json'))
}

/** Starts the agents; those that never joined get a token of their rack, and with it their labels. */
async function startAgents(
  start: Start,
  hosts: StackHost[],
  gateways: string[],
  drover: Drover,
): Promise<void> {
  const { context, embedded } = start
  const tokens = new Map<string, string>()
  for (const rack of new Set(hosts.map((host) => host.rack))) {
    const joining = hosts.filter((host) => host.rack === rack && !hasIdentity(context.data, host.name))
    if (joining.length) tokens.set(rack, await createJoinToken(drover, rack, joining.length))
  }
  const specs = hosts.map((host) => {
    mkdirSync(agentState(context.data, host.name), { recursive: true, mode: 0o700 })
    const token = hasIdentity(context.data, host.name) ? undefined : tokens.get(host.rack)
    return adjusted(start.options, agentSpec(context, host.name, gateways, token))
  })
  embedded.supervisor.start(...specs)
  if (specs.length) start.ready(`${specs.length} agents`)
}
