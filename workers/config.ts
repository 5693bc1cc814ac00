/** What a worker and a gateway are told by their environment. */
import { EnvReader } from '../base/env.js'
import { LOST_AFTER_MS } from '../domain/placement.js'
import { SHARD_MAX_HOSTS } from '../domain/shard.js'
import { LIFE_MS } from './desk/authority.js'

type Env = Record<string, string | undefined>

export interface StoreConfig {
  postgresUrl: string
  mongoUrl: string
  temporalAddress: string
  temporalNamespace: string
}

export interface ControlConfig extends StoreConfig {
  masterKey: string
  s3Url: string
  workflowBundle: string
  healthListen: string
  lostAfterMs: number
  shardMaxHosts: number
  /** How long a host's certificate is good. */
  hostCertificateMs: number
  /** 0: as Temporal advises. */
  historyMaxEvents: number
  /** A word for a restore of the database; empty where there was none. */
  recovery: string
}

export interface GatewayConfig extends StoreConfig {
  name: string
  /** `drg_…`: proves to workers that it is the gateway of this name. */
  secret: string
  listen: { host: string; port: number }
  /** Where agents reach it, if that is not where it listens. */
  advertise: string
  healthListen: string
  heartbeatMs: number
}

function readStores(env: EnvReader): StoreConfig {
  return {
    postgresUrl: env.text('DROVER_POSTGRES_URL'),
    mongoUrl: env.text('DROVER_MONGO_URL'),
    temporalAddress: env.text('DROVER_TEMPORAL_ADDRESS', '127.0.0.1:7233'),
    temporalNamespace: env.text('DROVER_TEMPORAL_NAMESPACE', 'default'),
  }
}

/** @throws ConfigError naming every fault */
export function readControlConfig(from: Env): ControlConfig {
  const env = new EnvReader(from)
  const config = {
    ...readStores(env),
    masterKey: env.secret('DROVER_MASTER_KEY'),
    s3Url: env.text('DROVER_S3_URL', ''),
    workflowBundle: env.text('DROVER_WORKFLOW_BUNDLE', ''),
    healthListen: env.text('DROVER_HEALTH_LISTEN', ''),
    lostAfterMs: env.integer('DROVER_LOST_AFTER_MS', LOST_AFTER_MS, { min: 1_000, max: 7 * 86_400_000 }),
    shardMaxHosts: env.integer('DROVER_SHARD_MAX_HOSTS', SHARD_MAX_HOSTS, { min: 1, max: SHARD_MAX_HOSTS }),
    hostCertificateMs: env.integer('DROVER_HOST_CERTIFICATE_MS', LIFE_MS, {
      min: 10_000,
      max: 30 * 86_400_000,
    }),
    // A look at a step of 500 shards, the most that a plan may have, leaves 1,500 events.
    historyMaxEvents: env.integer('DROVER_HISTORY_MAX_EVENTS', 0, { min: 0, max: 50_000 }),
    recovery: env.text('DROVER_RECOVERY', ''),
  }
  env.finish()
  return config
}

/** @throws ConfigError naming every fault */
export function readGatewayConfig(from: Env): GatewayConfig {
  const env = new EnvReader(from)
  const name = env.text('DROVER_GATEWAY_NAME')
  if (name && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
    env.fault('DROVER_GATEWAY_NAME must be lower-case letters, digits and dashes, at most 63')
  const config = {
    ...readStores(env),
    name,
    secret: env.secret('DROVER_GATEWAY_SECRET'),
    listen: readAddress(env, 'DROVER_GATEWAY_LISTEN', '127.0.0.1:7443'),
    advertise: env.text('DROVER_GATEWAY_ADVERTISE', ''),
    healthListen: env.text('DROVER_HEALTH_LISTEN', ''),
    heartbeatMs: env.integer('DROVER_HEARTBEAT_MS', 10_000, { min: 500, max: 15_000 }),
  }
  env.finish()
  return config
}

function readAddress(env: EnvReader, name: string, fallback: string): { host: string; port: number } {
  const text = env.text(name, fallback)
  const match = /^(.+):(\d{1,5})$/.exec(text)
  if (!match?.[1] || Number(match[2]) > 65_535) env.fault(`${name} must be host:port, not "${text}"`)
  return { host: match?.[1] ?? '', port: Number(match?.[2] ?? 0) }
}
