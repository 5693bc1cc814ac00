/** `drover db-accounts ls | show | set | rm`. */
import { type DbAccount, type DbAccountContent, DroverError } from '../sdk/index.js'
import { UsageError } from './fail.js'
import { connect } from './settings.js'
import { tableOf } from './table.js'
import type { Terminal } from './terminal.js'

interface Json {
  json?: true
}

export interface DbAccountOptions extends Json {
  engine?: string
  host?: string
  port?: number
  database?: string
  user?: string
  sslMode?: string
  caFile?: string
  secret?: string | false
  description?: string
}

const placeOf = ({ host, port }: DbAccount) => (host.startsWith('/') ? host : `${host}:${port}`)

export async function listDbAccounts(terminal: Terminal, options: Json): Promise<void> {
  const accounts = []
  for await (const account of connect().dbAccounts()) accounts.push(account)
  if (options.json) return terminal.json({ items: accounts })
  if (!accounts.length)
    return terminal.talk(
      'no database accounts; make one with: drover db-accounts set NAME --engine postgresql --user USER',
    )
  const rows = accounts.map((account) => [
    account.name,
    account.engine,
    placeOf(account),
    account.database || '-',
    account.user,
    account.sslMode,
    account.secret ?? '-',
    account.description,
  ])
  const titles = ['NAME', 'ENGINE', 'WHERE', 'DATABASE', 'USER', 'TLS', 'SECRET', 'DESCRIPTION']
  terminal.data(tableOf(titles, rows))
}

export async function showDbAccount(terminal: Terminal, name: string, options: Json): Promise<void> {
  const account = await connect().dbAccount(name)
  if (options.json) return terminal.json(account)
  const rows = Object.entries(account).map(([field, value]) => [field, value === '' ? '-' : (value ?? '-')])
  terminal.data(tableOf(['FIELD', 'VALUE'], rows))
}

/** Makes it, or changes what is said of it and leaves the rest as it is. */
export async function setDbAccount(
  terminal: Terminal,
  name: string,
  options: DbAccountOptions,
): Promise<void> {
  const drover = connect()
  const now = await drover.dbAccount(name).catch((error: unknown) => {
    if (error instanceof DroverError && error.code === 'db_account_unknown') return undefined
    throw error
  })
  const { json, secret, ...said } = options
  // A default of the old engine is no port of the new one.
  const port = now && said.engine !== undefined && said.engine !== now.engine ? undefined : now?.port
  const fields = {
    ...(now ? { ...contentOf(now), port, revision: now.revision } : {}),
    ...said,
    ...(secret === undefined ? {} : { secret: secret || null }),
  }
  if (fields.engine === undefined || fields.user === undefined)
    throw new UsageError(`${name} is new: say --engine (postgresql or mysql) and --user`)
  // The server knows the values that each may have, and says which they are.
  const account = await drover.putDbAccount(name, fields as DbAccountContent)
  if (json) return terminal.json(account)
  terminal.talk(
    `${account.name} signs in to ${account.engine} at ${placeOf(account)} of each host as ${account.user}`,
  )
}

function contentOf(account: DbAccount) {
  const { description, engine, host, database, user, sslMode, caFile, secret } = account
  return { description, engine, host, database, user, sslMode, caFile, secret }
}

export async function removeDbAccount(terminal: Terminal, name: string, options: Json): Promise<void> {
  const removed = await connect().deleteDbAccount(name)
  if (options.json) return terminal.json(removed)
  terminal.talk(`database account ${removed.name} is gone; what runs with it goes on`)
}
