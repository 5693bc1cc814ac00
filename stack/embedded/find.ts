/** Finds each server: a running one named by the environment, a program named by it, or the cache at the pinned version. */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export type ServerName = 'postgres' | 'temporal' | 'mongo' | 'minio'
type Env = Record<string, string | undefined>

/** Where a server is: one that runs already, or a program to start. */
export type Found = { url: string } | { program: string }

export class ServerError extends Error {
  override name = 'ServerError'
}

const known: Record<ServerName, { variable: string; cached: string; program: string }> = {
  postgres: { variable: 'POSTGRES', cached: 'postgres', program: 'bin/postgres' },
  temporal: { variable: 'TEMPORAL', cached: 'temporal', program: 'temporal' },
  mongo: { variable: 'MONGO', cached: 'ferretdb', program: 'ferretdb' },
  minio: { variable: 'S3', cached: 'minio', program: 'minio' },
}

/** The checkout that this code belongs to, from sources and from dist alike. */
export function checkout(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'stack/versions.json'))) return folder
  }
  throw new ServerError('the stack runs from a checkout of Drover only: stack/versions.json was not found')
}

/** The folder that `npm run build` fills; the rule is that of stack/prepare/root.mjs. */
export function cacheFolder(env: Env): string {
  if (env['DROVER_CACHE']) return env['DROVER_CACHE']
  if (process.getuid?.() === 0) return '/var/cache/drover'
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'drover')
}

function versionOf(cached: string): string {
  const pinned = JSON.parse(readFileSync(join(checkout(), 'stack/versions.json'), 'utf8')) as Record<
    string,
    { version: string }
  >
  return pinned[cached]?.version ?? ''
}

/**
 * @param prefix of the variables with a running server's address: tests read DROVER_TEST_ only, so that no test touches a
 *   database that a person has exported for something else
 */
export function findServer(
  name: ServerName,
  env: Env,
  prefix: 'DROVER_' | 'DROVER_TEST_' = 'DROVER_',
): Found {
  const { variable, cached, program } = known[name]
  const url = env[`${prefix}${variable}_URL`]
  if (url) return { url }
  const named = env[`DROVER_${variable}_BIN`]
  if (named) {
    if (existsSync(named)) return { program: named }
    throw new ServerError(`DROVER_${variable}_BIN names ${named}, which does not exist`)
  }
  const path = join(cacheFolder(env), `${cached}-${versionOf(cached)}`, program)
  if (existsSync(path)) return { program: path }
  throw new ServerError(
    `${name} is not in the cache (${path}): run \`npm run build\` once, or set DROVER_${variable}_BIN`,
  )
}
