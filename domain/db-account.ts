/** Database accounts: where SQL steps sign in, and as whom. What they sign in with is a secret, by name. */

export const dbEngines = ['postgresql', 'mysql'] as const
export type DbEngine = (typeof dbEngines)[number]

export const sslModes = ['disable', 'prefer', 'require', 'verify-full'] as const
export type SslMode = (typeof sslModes)[number]

export interface DbAccount {
  name: string
  engine: DbEngine
  /** As each target host sees it: a name, an address, or the absolute path of a socket. */
  host: string
  port: number
  /** Empty: the engine's own choice. */
  database: string
  user: string
  sslMode: SslMode
  /** On each host; empty: the authorities that the agent's Node knows. */
  caFile: string
  /** Name of the secret that is the password; null: there is none. */
  secret: string | null
}

export const defaultPorts: Record<DbEngine, number> = { postgresql: 5432, mysql: 3306 }

/** @returns what is wrong with an account as a whole, or undefined: the runner on the host would refuse it */
export function accountFault({ engine, host, sslMode, caFile }: DbAccount): string | undefined {
  const checksName = sslMode === 'verify-full'
  if (host.startsWith('/') && (checksName || sslMode === 'require'))
    return `a socket has no TLS: with the host ${host} sslMode must be disable or prefer`
  if (engine === 'mysql' && checksName && isAddress(host))
    return 'with mysql verify-full compares the certificate with a name: give a name as host, not an address'
  if (caFile && !checksName)
    return `a caFile is of no use with sslMode ${sslMode}: only verify-full asks who answers`
  return undefined
}

// Any name has a letter outside of hexadecimal or no colon; an address of version 4 has digits and dots only.
const isAddress = (host: string) => /^[0-9.]+$/.test(host) || host.includes(':')
