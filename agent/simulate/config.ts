/** What the simulator is told: flags for the fleet, the environment for the platform. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { EnvReader } from '../../base/env.js'
import { parseAddress } from '../config.js'
import { checkGroups, type Group, GroupError, parseGroup, parseGroups } from './groups.js'

export const HELP = `npm run simulate -- --agents N [options]: joins N simulated hosts to a running platform, until Ctrl-C
  --agents N         how many hosts: of the group "sim", or of the one --group that names no count
  --group KEY=…,…    a group of hosts, again and again: name, count, latency, fail, lag, disconnect, output, noise, label.KEY
  --groups FILE      the groups as JSON
  --seed N           what chance decides is the same for the same seed (1)
  --ramp N           how many hosts begin to connect in a second (500)
  --state FOLDER     identities and start logs, by platform
  --gateways LIST    host:port, commas between (DROVER_GATEWAYS)
  --scope NAME       (default)
The platform is named by DROVER_URL, DROVER_TOKEN and DROVER_GATEWAYS, as \`npm run up -- --env FILE\` writes them.
See docs/guide/simulated-fleets.md.
`

export interface Config {
  groups: Group[]
  gateways: string[]
  state: string
  seed: number
  rampPerSecond: number
  url: string
  token: string
  scope: string
}

const options = {
  agents: { type: 'string' },
  group: { type: 'string', multiple: true },
  groups: { type: 'string' },
  seed: { type: 'string', default: '1' },
  ramp: { type: 'string', default: '500' },
  state: { type: 'string' },
  gateways: { type: 'string' },
  scope: { type: 'string', default: 'default' },
} as const

type Env = Record<string, string | undefined>

/** Throws GroupError, ConfigError or TypeError (parseArgs) with what is wrong. */
export function readConfig(args: string[], env: Env): Config {
  const { values } = parseArgs({ args, options })
  const reader = new EnvReader(env)
  const url = reader.text('DROVER_URL')
  const token = reader.secret('DROVER_TOKEN')
  const gateways = (values.gateways ?? reader.text('DROVER_GATEWAYS')).split(',').filter(Boolean)
  for (const gateway of gateways)
    if (!parseAddress(gateway)) reader.fault(`"${gateway}" is not a gateway's host:port`)
  reader.finish()
  return {
    groups: readGroups(values),
    gateways,
    state: resolve(values.state ?? defaultState(env)),
    seed: whole('seed', values.seed, 2 ** 48),
    rampPerSecond: Math.max(1, whole('ramp', values.ramp, 100_000)),
    url,
    token,
    scope: values.scope,
  }
}

function readGroups(values: { agents?: string; group?: string[]; groups?: string }): Group[] {
  const agents = values.agents === undefined ? undefined : whole('agents', values.agents, 50_000)
  if (values.groups !== undefined) return parseGroups(readFileSync(values.groups, 'utf8'))
  if (values.group) return checkGroups(values.group.map((text) => parseGroup(text, agents)))
  return checkGroups(agents ? [parseGroup('', agents)] : [])
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= max) return value
  throw new GroupError(`--${name} must be a whole number from 0 to ${max}, not "${text}"`)
}

function defaultState(env: Env): string {
  if (process.getuid?.() === 0) return '/var/lib/drover/simulated'
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local/share'), 'drover/simulated')
}
