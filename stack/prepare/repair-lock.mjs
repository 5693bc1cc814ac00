/**
 * Adds the entries that `npm ci` misses in a package-lock.json made behind a registry without other systems' packages.
 *
 * Tools written in Rust or Go ship one optional package per platform. A registry mirror that answers 404 for the foreign
 * ones makes `npm install` leave them out of the lock, and `npm ci` then refuses the lock ("Missing: X from lock file").
 * A stub with the platform's `os` and `cpu` says what npm needs to know: not for this machine. `npm install` keeps stubs.
 * Run it after every `npm install` that changed the lock: `node stack/prepare/repair-lock.mjs`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const systems = [
  'darwin',
  'win32',
  'windows',
  'android',
  'freebsd',
  'openbsd',
  'netbsd',
  'sunos',
  'aix',
  'openharmony',
  'linux',
]
const processors = [
  'x64',
  'arm64',
  'ia32',
  'armv7',
  'arm',
  'ppc64',
  'riscv64',
  's390x',
  'loong64',
  'mips64el',
  'wasm32',
]

/** Whether a package required from `owner` is found by Node's walk up the folders. */
function isLocked(packages, owner, name) {
  for (let at = owner; ; ) {
    if (packages[`${at ? `${at}/` : ''}node_modules/${name}`]) return true
    if (!at) return false
    const cut = at.lastIndexOf('/node_modules/')
    at = cut > 0 ? at.slice(0, cut) : ''
  }
}

/** The lock entry of a package that this registry does not have, from the platform in its name. */
function stub(name, range, dev) {
  const system = systems.find((word) => name.includes(word))
  if (!system) return undefined
  const processor = processors.find((word) => name.includes(word)) ?? 'x64'
  return {
    version: range.replace(/^[^0-9]*/, ''),
    cpu: [processor === 'armv7' ? 'arm' : processor],
    ...(dev && { dev: true }),
    optional: true,
    os: [system === 'windows' ? 'win32' : system],
    ...(name.includes('musl') && { libc: ['musl'] }),
  }
}

const file = join(import.meta.dirname, '../../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
let added = 0
for (const [owner, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(lock.packages, owner, name)) continue
    const made = stub(name, range, entry.dev)
    if (!made) continue
    lock.packages[`node_modules/${name}`] = made
    added += 1
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`package-lock.json: ${added} stubs added\n`)
