/** The agent's configuration: environment in, one typed value out. Nothing else reads the environment. */
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { EnvReader } from '../base/env.js'
import { SUPERVISOR_PROTOCOL } from './supervisor/supervisor.js'

export interface Address {
  host: string
  port: number
}

export interface Config {
  /** State root: identity, spool and what later parts keep. */
  state: string
  /** Gateways as `host:port`, tried in turn. */
  gateways: string[]
  name: string
  policyFile: string
  stopFile: string
  spoolQuotaBytes: number
  minFreePercent: number
  maxTasks: number
  healthListen: Address | undefined
  bootIdFile: string
  /** What restarts the host, for `sh -c`: run where a reboot is ordered, as the account of its step. */
  rebootCommand: string
  /** Put in every script's environment as DROVER_STACK, so that a stack can find what it left. */
  marker: string
  /** Whether tasks get a cgroup of their own where the host allows it. */
  cgroups: boolean
  /** The bundle that a supervisor started, by hash or `installed`; undefined without one whose protocol this agent speaks. */
  supervised: string | undefined
  /** PATH of the agent's own process: where an interpreter is looked for last. */
  searchPath: string
  /** The file of the agent's own code: the SQL runner is packed behind it. */
  program: string
}

type Env = Record<string, string | undefined>

// Where systemd does not run, its command fails and the old one is asked.
const REBOOT_COMMAND = 'systemctl reboot || shutdown -r now'

/** Throws ConfigError with every fault at once. */
export function readConfig(env: Env): Config {
  const reader = new EnvReader(env)
  const state = resolve(reader.text('DROVER_AGENT_STATE', '/var/lib/drover-agent'))
  const config: Config = {
    state,
    gateways: readGateways(reader),
    name: reader.text('DROVER_AGENT_NAME', hostname()),
    policyFile: reader.text('DROVER_AGENT_POLICY_FILE', '/etc/drover/policy.json'),
    stopFile: reader.text('DROVER_AGENT_STOP_FILE', join(state, 'stop')),
    spoolQuotaBytes: reader.integer('DROVER_AGENT_SPOOL_QUOTA_BYTES', 1024 ** 3, {
      min: 1 << 20,
      max: 1024 ** 5,
    }),
    minFreePercent: reader.integer('DROVER_AGENT_MIN_FREE_PERCENT', 5, { min: 0, max: 90 }),
    maxTasks: reader.integer('DROVER_AGENT_MAX_TASKS', 100, { min: 1, max: 10_000 }),
    healthListen: readListen(reader),
    bootIdFile: reader.text('DROVER_AGENT_BOOT_ID_FILE', '/proc/sys/kernel/random/boot_id'),
    rebootCommand: reader.text('DROVER_AGENT_REBOOT_COMMAND', REBOOT_COMMAND),
    marker: reader.text('DROVER_AGENT_MARKER', ''),
    cgroups: reader.flag('DROVER_AGENT_CGROUPS', true),
    supervised: readSupervised(reader),
    searchPath: env['PATH'] ?? '',
    program: process.argv[1] ?? '',
  }
  reader.finish()
  return config
}

/** The join token; read only while there is no identity, because its file is usually gone afterwards. */
export function readJoinToken(env: Env): string {
  const reader = new EnvReader(env)
  const token = reader.secret('DROVER_AGENT_JOIN_TOKEN')
  reader.finish()
  return token
}

function readGateways(reader: EnvReader): string[] {
  const gateways = reader
    .text('DROVER_AGENT_GATEWAYS')
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
  for (const gateway of gateways) {
    if (!parseAddress(gateway)) reader.fault(`DROVER_AGENT_GATEWAYS: "${gateway}" is not host:port`)
  }
  return gateways
}

function readSupervised(reader: EnvReader): string | undefined {
  const [protocol, name] = reader.text('DROVER_AGENT_SUPERVISED', '').split(':')
  return protocol === String(SUPERVISOR_PROTOCOL) && name ? name : undefined
}

function readListen(reader: EnvReader): Address | undefined {
  const text = reader.text('DROVER_HEALTH_LISTEN', '')
  if (!text) return undefined
  const address = parseAddress(text)
  if (!address) reader.fault(`DROVER_HEALTH_LISTEN: "${text}" is not host:port`)
  return address
}

/** `host:port`, with an IPv6 host in brackets. */
export function parseAddress(text: string): Address | undefined {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/.exec(text)
  const host = found?.[1] ?? found?.[2]
  const port = Number(found?.[3])
  return host !== undefined && port <= 65_535 ? { host, port } : undefined
}
