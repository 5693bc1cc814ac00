/** `drover agents ls | upload` and `drover hosts upgrade`. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Drover, Host } from '../sdk/index.js'
import { exitCodes } from './exit-code.js'
import { UsageError } from './fail.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'

interface Json {
  json?: true
}

const LOOK_EVERY_MS = 1_000

export async function listAgents(terminal: Terminal, options: Json): Promise<void> {
  const items = await connect().agentBundles()
  if (options.json) return terminal.json({ items })
  if (!items.length) return terminal.talk('no bundles; add one with: drover agents upload FILE')
  const rows = items.map((item) => [
    item.version,
    item.platform,
    item.bytes,
    item.sha256.slice(0, 16),
    item.createdAt,
  ])
  terminal.data(tableOf(['VERSION', 'PLATFORM', 'BYTES', 'SHA256', 'UPLOADED'], rows))
}

export async function uploadAgent(
  terminal: Terminal,
  file: string,
  options: Json & { platform?: string },
): Promise<void> {
  const content = await readFile(file).catch((error: Error) => {
    throw new UsageError(`cannot read ${file}: ${error.message}`)
  })
  const version = await versionOf(file)
  const bundle = await connect().uploadAgent(version, new Uint8Array(content), { platform: options.platform })
  if (options.json) return terminal.json(bundle)
  terminal.talk(
    `version ${bundle.version}, sha256 ${bundle.sha256}; try it on one host: drover hosts upgrade -t name:HOST --to ${bundle.version}`,
  )
}

/** What the bundle says of itself: one that cannot say it here would not start on a host either. */
async function versionOf(file: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file, '--version'], { timeout: 20_000 })
    return stdout.trim()
  } catch (error) {
    throw new UsageError(`${file} does not say its version: ${(error as Error).message.split('\n')[0]}`)
  }
}

interface UpgradeOptions extends Json {
  target: string
  to: string
  atOnce: number
  maxFailures: number
  probation: number
  ttl: number
  confirm?: number
  detach?: true
  idempotencyKey?: string
}

export async function upgradeHosts(terminal: Terminal, options: UpgradeOptions): Promise<void> {
  const drover = connect()
  const target = readTarget(options.target)
  const rollout = await drover.upgradeHosts(
    {
      target,
      version: options.to,
      atOnce: options.atOnce,
      maxFailures: options.maxFailures,
      probationMs: options.probation,
      expiresInMs: options.ttl,
      ...(options.confirm === undefined ? {} : { confirm: options.confirm }),
    },
    { idempotencyKey: options.idempotencyKey },
  )
  terminal.talk(
    `${rollout.hosts} ${rollout.hosts === 1 ? 'host' : 'hosts'} to ${rollout.version}: ${rollout.nodeset}`,
  )
  if (options.detach) return options.json ? terminal.json(rollout) : undefined
  const hosts = await follow(terminal, drover, target, options.to)
  const failed = hosts.filter((host) => host.upgrade?.state !== 'done')
  if (options.json)
    terminal.json({ ...rollout, items: hosts.map(({ id, name, upgrade }) => ({ id, name, upgrade })) })
  else if (failed.length)
    terminal.data(
      tableOf(
        ['HOST', 'STATE', 'REASON', 'DETAIL'],
        failed.map(({ name, upgrade }) => [
          name,
          upgrade?.state ?? '-',
          upgrade?.reason ?? '-',
          upgrade?.detail ?? '-',
        ]),
      ),
    )
  else terminal.talk('done on all')
  if (failed.length) process.exitCode = exitCodes.hostsFailed
}

/** Looks until no host of the target is on its way to `version`. */
async function follow(terminal: Terminal, drover: Drover, target: string, version: string): Promise<Host[]> {
  for (;;) {
    const hosts: Host[] = []
    for await (const host of drover.hosts({ target })) if (host.upgrade?.version === version) hosts.push(host)
    const counts = new Map<string, number>()
    for (const { upgrade } of hosts)
      if (upgrade) counts.set(upgrade.state, (counts.get(upgrade.state) ?? 0) + 1)
    terminal.progress([...counts].map(([state, count]) => `${state} ${count}`).join(' · '))
    const open = ['pending', 'downloading', 'probation'].some((state) => counts.has(state))
    if (!open) return hosts
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
