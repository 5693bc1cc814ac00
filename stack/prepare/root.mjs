/** Where things are: the checkout, the cache that all checkouts of a user share, and the pinned versions. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')

/** Servers and recorded durations: outlives checkouts, safe to delete. */
export const cache =
  process.env.DROVER_CACHE ||
  (process.getuid?.() === 0
    ? '/var/cache/drover'
    : join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'drover'))

/** Exact versions of the embedded servers; a test holds them to go.mod and package.json. */
export const versions = JSON.parse(readFileSync(join(root, 'stack/versions.json'), 'utf8'))

/** The cache folder of one server at exactly its version. */
export function serverFolder(name) {
  return join(cache, `${name}-${versions[name].version}`)
}

export const isCi = process.env.CI === 'true'

/** A fault that a person can mend: shown without a stack trace. */
export class PrepareError extends Error {
  name = 'PrepareError'
}
