/**
 * Python tools that some suites need, each in a virtual environment of its own in the cache: pinned by a requirements file.
 * Run by hand it installs what is missing: `node stack/prepare/python-tools.mjs`.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from './lock.mjs'
import { runStep, say } from './progress.mjs'
import { cache, PrepareError, root } from './root.mjs'
import { capture, mustRun } from './run.mjs'

/**
 * `usedBy` names the suites that need it; `peers` is the bench with --peers. Who uses it looks for the folder by the same
 * rule (test/helpers/schemathesis.ts, test/bench/peers/tools.ts).
 */
const tools = [
  { name: 'schemathesis', requirements: 'test/schemathesis/requirements.txt', usedBy: ['integration'] },
  { name: 'salt', requirements: 'test/bench/peers/salt.txt', usedBy: ['peers'] },
  { name: 'ansible', requirements: 'test/bench/peers/ansible.txt', usedBy: ['peers'] },
  { name: 'parallel-ssh', requirements: 'test/bench/peers/parallel-ssh.txt', usedBy: ['peers'] },
]

/** The command that a person runs to have what is missing. */
export const installCommand = 'node stack/prepare/python-tools.mjs'

/** The environment's folder: another set of pins is another folder. */
function folderOf(tool) {
  const pins = createHash('sha256').update(readFileSync(join(root, tool.requirements)))
  return join(cache, `${tool.name}-${pins.digest('hex').slice(0, 12)}`)
}

// Written last: an environment without it was interrupted and is made anew.
const isInstalled = (tool) => existsSync(join(folderOf(tool), '.complete'))

/** A virtual environment; Debian has the module in a package of its own, which CI installs. */
async function makeEnvironment(folder) {
  rmSync(folder, { recursive: true, force: true })
  const first = await capture('python3', ['-m', 'venv', folder]).catch((error) => error)
  if (first.code === 0) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot) throw new PrepareError(`python3 -m venv failed: ${first.output ?? first.message}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = 'apt-get update -q && apt-get install -y --no-install-recommends python3 python3-venv'
  await mustRun('sh', ['-c', apt], { env })
  rmSync(folder, { recursive: true, force: true })
  await mustRun('python3', ['-m', 'venv', folder])
}

async function install(tool) {
  const folder = folderOf(tool)
  mkdirSync(cache, { recursive: true, mode: 0o755 })
  await withLock(
    `${folder}.lock`,
    async () => {
      if (isInstalled(tool)) return
      await makeEnvironment(folder)
      await mustRun(join(folder, 'bin/python'), [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-input',
        '--disable-pip-version-check',
        '--requirement',
        join(root, tool.requirements),
      ])
      writeFileSync(join(folder, '.complete'), '')
    },
    () => say(`  … another preparation installs ${tool.name}: waiting`),
  )
}

/** @throws PrepareError */
export async function installPythonTools(missing) {
  for (const tool of missing) {
    const title = `Install ${tool.name} from PyPI`
    await runStep({ key: `pip:${tool.name}`, title, roughMs: 20_000 }, () => install(tool))
  }
}

/** The tools that `suites` need and that are not installed. */
export function missingPythonTools(suites) {
  return tools.filter((tool) => tool.usedBy.some((suite) => suites.includes(suite)) && !isInstalled(tool))
}

if (import.meta.filename === process.argv[1]) {
  installPythonTools(missingPythonTools(['unit', 'integration', 'e2e'])).catch((error) => {
    process.stderr.write(`${error instanceof PrepareError ? error.message : error.stack}\n`)
    process.exitCode = 1
  })
}
