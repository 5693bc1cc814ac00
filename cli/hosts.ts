/** `drover hosts ls | show | label | revoke | release | join-token`. */
import type { Drover, Host } from '../sdk/index.js'
import { ask } from './ask.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'
import { formatDuration, parsePair } from './values.js'

interface Json {
  json?: true
}

/** A clock that is further off than this is said. */
const SKEW_TOLD_MS = 5_000

export async function listHosts(
  terminal: Terminal,
  options: Json & { target?: string; all?: true },
): Promise<void> {
  const hosts: Host[] = []
  const target = options.target === undefined ? {} : { target: readTarget(options.target) }
  for await (const host of connect().hosts({ ...target, includeRevoked: options.all ?? false }))
    hosts.push(host)
  if (options.json) return terminal.json({ items: hosts })
  if (!hosts.length) return terminal.talk('no hosts; let one join with: drover hosts join-token')
  const rows = hosts.map((host) => [
    host.id,
    host.name,
    stateOf(host),
    labelsText(host.labels),
    agentText(host),
    ago(host.lastSeenAt),
  ])
  terminal.data(tableOf(['ID', 'NAME', 'STATE', 'LABELS', 'AGENT', 'SEEN'], rows))
}

function stateOf(host: Host): string {
  if (host.state !== 'active') return host.state
  const state = host.connected ? 'connected' : 'away'
  const skewed = Math.abs(host.clockSkewMs ?? 0) > SKEW_TOLD_MS
  return skewed ? `${state}, clock off by ${formatDuration(Math.abs(host.clockSkewMs ?? 0))}` : state
}

/** The version that runs, and what became of an upgrade unless it is done. */
function agentText(host: Host): string {
  const { upgrade } = host
  const version = host.agentVersion ?? '-'
  return upgrade && upgrade.state !== 'done'
    ? `${version} (to ${upgrade.version}: ${upgrade.state})`
    : version
}

function upgradeText({ upgrade }: Host): string {
  if (!upgrade) return '-'
  const why = upgrade.reason ? ` (${upgrade.reason}: ${upgrade.detail ?? ''})` : ''
  return `from ${upgrade.fromVersion ?? '-'} to ${upgrade.version}: ${upgrade.state}${why}, ${ago(upgrade.updatedAt)}`
}

function labelsText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([key, value]) => (value ? `${key}=${value}` : key))
    .join(',')
}

function ago(time: string | null): string {
  return time === null ? 'never' : `${formatDuration(Math.max(0, Date.now() - Date.parse(time)))} ago`
}

/** @throws UsageError, or DroverError host_unknown */
async function findHost(drover: Drover, text: string): Promise<Host> {
  if (/^[1-9]\d{0,18}$/.test(text)) return drover.host(text)
  for await (const host of drover.hosts({ target: `name:${text}` })) return host
  throw new UsageError(`there is no host ${text}`, exitCodes.notFound)
}

export async function showHost(terminal: Terminal, text: string, options: Json): Promise<void> {
  printHost(terminal, await findHost(connect(), text), options)
}

function printHost(terminal: Terminal, host: Host, options: Json): void {
  if (options.json) return terminal.json(host)
  const facts = Object.entries(host.facts).map(([key, value]) => [`fact.${key}`, value])
  const rows = [
    ['id', host.id],
    ['name', host.name],
    ['state', host.stateReason ? `${stateOf(host)} (${host.stateReason})` : stateOf(host)],
    ['labels', labelsText(host.labels) || '-'],
    ['agent', host.agentVersion ?? '-'],
    ['upgrade', upgradeText(host)],
    ['gateway', host.gateway ?? '-'],
    ['last seen', ago(host.lastSeenAt)],
    ['conditions', host.conditions.join(', ') || '-'],
    ...facts,
  ]
  terminal.data(tableOf(['', ''], rows).trimStart())
}

/** `key=value` sets, `key-` takes away. */
export async function labelHost(
  terminal: Terminal,
  text: string,
  labels: string[],
  options: Json,
): Promise<void> {
  const changes = Object.fromEntries(
    labels.map((label): [string, string | null] =>
      label.endsWith('-') && !label.includes('=') ? [label.slice(0, -1), null] : parsePair(label),
    ),
  )
  const drover = connect()
  const host = await findHost(drover, text)
  const labelled = await drover.setHostLabels(host.id, changes)
  if (options.json) return terminal.json(labelled)
  terminal.talk(`${labelled.name}: ${labelsText(labelled.labels) || 'no labels'}`)
}

export async function revokeHost(
  terminal: Terminal,
  text: string,
  options: Json & { yes?: true; reimaged?: true },
): Promise<void> {
  const drover = connect()
  const host = await findHost(drover, text)
  if (!options.yes) {
    const answer = await ask(`${host.name} will have to join anew. Type its name to revoke it: `)
    if (answer?.trim() !== host.name)
      throw new UsageError(
        `nothing was revoked; say --yes, or type ${host.name} when asked`,
        exitCodes.refused,
      )
  }
  const revoked = await drover.revokeHost(host.id, { reimaged: options.reimaged })
  if (options.json) return terminal.json(revoked)
  terminal.talk(`${revoked.name} is revoked`)
}

export async function releaseHost(terminal: Terminal, text: string, options: Json): Promise<void> {
  const drover = connect()
  const host = await findHost(drover, text)
  const released = await drover.releaseHost(host.id)
  if (options.json) return terminal.json(released)
  terminal.talk(
    host.state === 'quarantined'
      ? `${released.name} is active again`
      : `${released.name} was not in quarantine; nothing was changed`,
  )
}

export async function makeJoinToken(
  terminal: Terminal,
  options: Json & { label: string[]; uses: number; ttl: number },
): Promise<void> {
  const labels = Object.fromEntries(options.label.map(parsePair))
  const made = await connect().createJoinToken({ labels, uses: options.uses, ttlMs: options.ttl })
  if (options.json) return terminal.json(made)
  terminal.data(made.token)
  terminal.talk(
    `good until ${made.expiresAt}, for ${options.uses} ${options.uses === 1 ? 'host' : 'hosts'}; start an agent with DROVER_AGENT_JOIN_TOKEN set to it`,
  )
}
