/** What the runner is told: by arguments, for nothing of it is secret. The password comes in a file. */
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { type Format, formats } from './format.js'

export type Engine = 'postgresql' | 'mysql'
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-full'

export interface Options {
  script: string
  engine: Engine
  /** A name, an address, or the absolute path of a socket (PostgreSQL: of its folder). */
  host: string
  port: number
  database: string | undefined
  user: string
  sslMode: SslMode
  caFile: string | undefined
  /** Left out: there is no password. */
  passwordFile: string | undefined
  format: Format
  onError: 'stop' | 'continue'
  transaction: boolean
}

export class UsageError extends Error {
  override name = 'UsageError'
}

const engines: readonly Engine[] = ['postgresql', 'mysql']
const sslModes: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-full']
const defaultPorts: Record<Engine, number> = { postgresql: 5432, mysql: 3306 }

const flag = { type: 'string' } as const

/** @throws UsageError */
export function readOptions(words: string[]): Options {
  const { values, positionals } = parse(words)
  const engine = oneOf('engine', values.engine, engines)
  const options: Options = {
    script: only(positionals),
    engine,
    host: values.host || '127.0.0.1',
    port: port(values.port, defaultPorts[engine]),
    database: values.database || undefined,
    user: values.user || '',
    sslMode: oneOf('ssl-mode', values['ssl-mode'] ?? 'prefer', sslModes),
    caFile: values['ca-file'] || undefined,
    passwordFile: values['password-file'] || undefined,
    format: oneOf('format', values.format ?? 'tsv', formats),
    onError: oneOf('on-error', values['on-error'] ?? 'stop', ['stop', 'continue'] as const),
    transaction: values.transaction ?? false,
  }
  check(options)
  return options
}

function check({ user, transaction, onError, host, engine, sslMode }: Options): void {
  if (!user) throw new UsageError('--user is needed')
  if (transaction && onError === 'continue')
    throw new UsageError('--transaction keeps all or nothing, so it cannot go on after an error')
  const isSocket = host.startsWith('/')
  if (isSocket && (sslMode === 'require' || sslMode === 'verify-full'))
    throw new UsageError('a socket has no TLS: use --ssl-mode disable')
  // The driver would compare the certificate with "localhost".
  if (engine === 'mysql' && sslMode === 'verify-full' && isIP(host))
    throw new UsageError('verify-full with mysql needs the name of the host, not its address')
}

function parse(words: string[]) {
  try {
    return parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        engine: flag,
        host: flag,
        port: flag,
        database: flag,
        user: flag,
        'ssl-mode': flag,
        'ca-file': flag,
        'password-file': flag,
        format: flag,
        'on-error': flag,
        transaction: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error })
  }
}

function only(positionals: string[]): string {
  const [script, ...more] = positionals
  if (script === undefined || more.length) throw new UsageError('give the file of the SQL text')
  return script
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw new UsageError(`--${name} must be one of ${allowed.join(', ')}`)
  return found
}

function port(text: string | undefined, otherwise: number): number {
  const value = text ? Number(text) : otherwise
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new UsageError('--port must be 1 to 65535')
  return value
}
