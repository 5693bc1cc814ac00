/** Installs the npm packages if they are missing or not the ones that package-lock.json names. */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runStep } from './progress.mjs'
import { requireRoom } from './requirements.mjs'
import { PrepareError, root } from './root.mjs'
import { mustRun } from './run.mjs'

const folder = join(root, 'node_modules')
const marker = join(folder, '.drover-installed')

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function wanted() {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  return `${hash} node ${process.versions.modules}\n`
}

/** Whether npm's own record of node_modules agrees with the lock: somebody ran `npm install` by hand. */
function isInstalledByHand() {
  const record = read(join(root, 'node_modules/.package-lock.json'))
  if (!record) return false
  const installed = JSON.parse(record).packages
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(locked).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.link) return true
    const have = installed[path]
    return have ? have.version === entry.version : entry.optional === true
  })
}

/** True if node_modules is what the lock says, for this Node. */
function isInstalled() {
  const have = read(marker)
  const want = wanted()
  if (have === want) return true
  // Built for another Node, packages with native parts may not load.
  const sameNode = have === '' || have.split(' ')[2] === want.split(' ')[2]
  if (!sameNode || !isInstalledByHand()) return false
  writeFileSync(marker, want)
  return true
}

/** `npm ci`, unless there is nothing to do. */
export async function installPackages() {
  if (isInstalled()) return
  // npm would empty the folder behind the link, which somebody else uses.
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new PrepareError(
      'node_modules is a link to a folder that is not what package-lock.json names: remove the link, and run this again.',
    )
  requireRoom(root, 3, 'Installing the npm packages and compiling')
  await runStep({ key: 'npm-ci', title: 'Install npm packages', roughMs: 45_000 }, () =>
    mustRun('npm', ['ci', '--no-audit', '--no-fund']),
  )
  writeFileSync(marker, wanted())
}
