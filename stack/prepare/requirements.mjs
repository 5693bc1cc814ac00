/** What the machine must have before anything is installed: Node, Go, room on the disk. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { PrepareError } from './root.mjs'

function atLeast(version, major, minor) {
  const [a, b] = version.split('.').map(Number)
  return a > major || (a === major && b >= minor)
}

/** Throws unless this Node is 20.19 or later. */
export function requireNode() {
  if (atLeast(process.versions.node, 20, 19)) return
  throw new PrepareError(
    `Node ${process.versions.node} is too old: Drover needs 20.19 or later (https://nodejs.org/en/download, or \`nvm install 22\`).`,
  )
}

/** Throws unless Go 1.25 or later is on the PATH. */
export function requireGo() {
  const why = 'Drover builds its embedded servers (Temporal, MinIO, FerretDB) once with Go 1.25 or later'
  const how =
    'https://go.dev/doc/install; or name ready servers by DROVER_TEMPORAL_BIN, DROVER_S3_BIN, DROVER_MONGO_BIN'
  const found = spawnSync('go', ['env', 'GOVERSION'], {
    encoding: 'utf8',
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  })
  if (found.error) throw new PrepareError(`Go was not found: ${why} (${how}).`)
  const version = found.stdout.trim().replace(/^go/, '')
  if (!atLeast(version, 1, 25))
    throw new PrepareError(`Go ${version || '(unknown)'} is too old: ${why} (${how}).`)
}

/** Throws if the file system that will hold `folder` has less than `bytes` free. */
export function requireRoom(folder, gigabytes, what) {
  let at = folder
  while (!existsSync(at)) at = dirname(at)
  const stat = statfsSync(at)
  const free = (stat.bavail * stat.bsize) / 2 ** 30
  if (free >= gigabytes) return
  throw new PrepareError(
    `${what} needs ${gigabytes} GB in ${folder}, which has ${free.toFixed(1)} GB free. Make room, or set DROVER_CACHE to another disk.`,
  )
}

/** Makes the cache folder, readable by the account that Postgres runs as. */
export function requireWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw new PrepareError(
      `Cannot write the cache ${folder} (${error.code}). Set DROVER_CACHE to a folder of yours.`,
    )
  }
}
