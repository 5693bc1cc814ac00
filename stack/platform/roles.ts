/** How each role is run: its program, its environment, where it answers. The contract is docs/reference/configuration.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gatewaySecret } from '../../base/secret-key.js'
import type { ServerUrls } from '../embedded/embedded.js'
import type { ChildSpec } from '../supervise/child.js'

export type Role = 'api' | 'worker' | 'gateway' | 'agent'

/** Programs below the checkout, as the preparation compiles them. */
const programs: Record<Role, string> = {
  api: 'dist/api/main.js',
  worker: 'dist/workers/control-main.js',
  gateway: 'dist/workers/gateway-main.js',
  agent: 'dist/agent.cjs',
}

export type RoleEnvironment = Partial<Record<Role, Record<string, string>>>

/** What all roles of one platform share. */
export interface RoleContext {
  checkout: string
  data: string
  urls: ServerUrls
  /** More variables per role, over ours. */
  overrides: RoleEnvironment
  /** Other programs per role: tests without the real ones. */
  programs: Partial<Record<Role, string>>
  /** DROVER_STACK of everything that belongs to this stack. */
  marker: string
}

// The user's own DROVER_ variables are for commands, not for the roles of this stack; a log level is meant for all.
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'DROVER_LOG_LEVEL']

function baseEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(inherited.map((name) => [name, process.env[name]]))
}

function programOf(context: RoleContext, role: Role): string {
  return join(context.checkout, context.programs[role] ?? programs[role])
}

function storeEnvironment({ urls }: RoleContext): Record<string, string> {
  return {
    DROVER_POSTGRES_URL: urls.postgres,
    DROVER_MONGO_URL: urls.mongo,
    DROVER_TEMPORAL_ADDRESS: urls.temporal,
  }
}

/** Base64 of 32 random bytes; seals the platform's own keys. */
export function masterKeyFile(data: string): string {
  return join(data, 'master.key')
}

/** Where the API writes the administrator's token at its first start. */
export function adminTokenFile(data: string): string {
  return join(data, 'admin-token')
}

function isReadyAt(port: number): () => Promise<boolean> {
  return async () =>
    (await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok
}

export function apiSpec(context: RoleContext, name: string, port: number): ChildSpec {
  return {
    name,
    command: process.execPath,
    // A burst lets the young generation grow to twice this, in MB, and stay. V8 takes it at the start alone.
    args: ['--max-semi-space-size=8', programOf(context, 'api')],
    env: {
      ...baseEnvironment(),
      ...storeEnvironment(context),
      DROVER_API_LISTEN: `127.0.0.1:${port}`,
      DROVER_BOOTSTRAP_TOKEN_FILE: adminTokenFile(context.data),
      DROVER_TEMPORAL_UI: context.urls.temporalUi,
      ...context.overrides.api,
    },
    graceMs: 10_000,
    isReady: isReadyAt(port),
  }
}

export function workerSpec(context: RoleContext, name: string, port: number): ChildSpec {
  return {
    name,
    command: process.execPath,
    args: [programOf(context, 'worker')],
    env: {
      ...baseEnvironment(),
      ...storeEnvironment(context),
      DROVER_S3_URL: context.urls.s3,
      // The one role that signs; nobody else is given the key.
      DROVER_MASTER_KEY_FILE: masterKeyFile(context.data),
      DROVER_WORKFLOW_BUNDLE: join(context.checkout, 'dist/workflow-bundle.js'),
      DROVER_HEALTH_LISTEN: `127.0.0.1:${port}`,
      ...context.overrides.worker,
    },
    graceMs: 10_000,
    isReady: isReadyAt(port),
  }
}

export function gatewaySpec(
  context: RoleContext,
  name: string,
  ports: { agents: number; health: number },
): ChildSpec {
  const { urls } = context
  return {
    name,
    command: process.execPath,
    args: [programOf(context, 'gateway')],
    // No master key and a login of its own: a gateway can order nothing and reads no secrets.
    env: {
      ...baseEnvironment(),
      DROVER_POSTGRES_URL: urls.postgresGateway,
      DROVER_MONGO_URL: urls.mongo,
      DROVER_TEMPORAL_ADDRESS: urls.temporal,
      DROVER_GATEWAY_NAME: name,
      DROVER_GATEWAY_SECRET: gatewaySecret(readFileSync(masterKeyFile(context.data), 'utf8'), name),
      DROVER_GATEWAY_LISTEN: `127.0.0.1:${ports.agents}`,
      DROVER_HEALTH_LISTEN: `127.0.0.1:${ports.health}`,
      ...context.overrides.gateway,
    },
    graceMs: 10_000,
    isReady: isReadyAt(ports.health),
  }
}

/** State root of the agent that plays this host. */
export function agentState(data: string, host: string): string {
  return join(data, 'agents', host)
}

export function agentSpec(
  context: RoleContext,
  host: string,
  gateways: string[],
  joinToken?: string,
): ChildSpec {
  const state = agentState(context.data, host)
  return {
    name: host,
    command: process.execPath,
    args: ['--max-old-space-size=64', programOf(context, 'agent')],
    env: {
      ...baseEnvironment(),
      DROVER_AGENT_STATE: state,
      DROVER_AGENT_GATEWAYS: gateways.join(','),
      DROVER_AGENT_NAME: host,
      DROVER_AGENT_POLICY_FILE: join(state, 'policy.json'),
      DROVER_AGENT_MARKER: context.marker,
      ...(joinToken === undefined ? {} : { DROVER_AGENT_JOIN_TOKEN: joinToken }),
      ...context.overrides.agent,
    },
    graceMs: 3_000,
  }
}
