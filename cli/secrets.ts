/** `drover secrets ls | set | show | rotate | enable | disable | destroy | rm`. */
import type { SecretVersion } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { readSecretValue } from './secret-value.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { harmless, type Terminal } from './terminal.js'
import { parseUse } from './values.js'

interface Json {
  json?: true
}

interface ValueOptions extends Json {
  file?: string
}

export async function listSecrets(terminal: Terminal, options: Json & { name?: string }): Promise<void> {
  const secrets = []
  for await (const secret of connect().secrets({ name: options.name })) secrets.push(secret)
  if (options.json) return terminal.json({ items: secrets })
  if (!secrets.length) return terminal.talk('no secrets; keep one with: drover secrets set NAME')
  const rows = secrets.map((secret) => [
    secret.name,
    secret.current,
    secret.latest,
    secret.createdBy,
    secret.updatedAt,
    secret.description,
  ])
  terminal.data(tableOf(['NAME', 'CURRENT', 'LATEST', 'BY', 'CHANGED', 'DESCRIPTION'], rows))
}

/** Its versions, and who uses it; there is no way to its values. */
export async function showSecret(terminal: Terminal, name: string, options: Json): Promise<void> {
  const drover = connect()
  const secret = await drover.secret(name)
  const versions: SecretVersion[] = []
  for await (const version of drover.secretVersions(name)) versions.push(version)
  const { items: citations, dbAccounts, more } = await drover.secretCitations(name)
  if (options.json) return terminal.json({ ...secret, versions, citations, dbAccounts })
  terminal.data([secret.name, harmless(secret.description)].filter(Boolean).join('\n'))
  const rows = versions.map((version) => [
    `${version.version}${version.version === secret.current ? ' (current)' : ''}`,
    version.state,
    version.createdBy,
    version.createdAt,
  ])
  terminal.data(tableOf(['VERSION', 'STATE', 'BY', 'CREATED'], rows))
  for (const { job, plan, step, as, uses } of citations)
    terminal.data(
      `used by ${plan === null ? `job ${job}` : `plan ${job}/${plan}`}, ${step === null ? 'as a variable' : `step ${step}`}: ${as} is ${uses}`,
    )
  for (const account of dbAccounts) terminal.data(`used by database account ${account}`)
  if (more) terminal.data('and more')
}

export async function setSecret(
  terminal: Terminal,
  name: string,
  options: ValueOptions & { description?: string },
): Promise<void> {
  const { description } = options
  const drover = connect()
  const value = await readSecretValue(name, options.file)
  const secret = await drover.createSecret({
    name,
    value,
    ...(description === undefined ? {} : { description }),
  })
  if (options.json) return terminal.json(secret)
  terminal.talk(`${secret.name}@${secret.latest} is kept`)
}

export async function rotateSecret(terminal: Terminal, name: string, options: ValueOptions): Promise<void> {
  const drover = connect()
  // Before anybody types a value for nothing.
  await drover.secret(name)
  const { version } = await drover.rotateSecret(name, await readSecretValue(name, options.file))
  if (options.json) return terminal.json({ name, version })
  terminal.talk(
    `${name}@${version} is kept: launches from now on get it; disable or destroy the former one when nothing needs it`,
  )
}

export async function changeSecret(
  terminal: Terminal,
  text: string,
  change: 'enable' | 'disable' | 'destroy',
  options: Json,
): Promise<void> {
  const { name, version } = parseUse(text)
  if (version === undefined) throw new UsageError(`which version? write ${name}@3`)
  const changed = await connect().changeSecretVersion(name, version, change)
  if (options.json) return terminal.json({ name, ...changed })
  terminal.talk(`${name}@${changed.version} is ${changed.state}`)
}

export async function removeSecret(terminal: Terminal, name: string, options: Json): Promise<void> {
  const removed = await connect().deleteSecret(name)
  if (options.json) return terminal.json(removed)
  terminal.talk(`${removed.name} is gone with all its values`)
}
