/** System programs that some suites need: installed with CI=true, elsewhere told to the suite, which counts as skipped. */
import { spawnSync } from 'node:child_process'
import { runStep } from './progress.mjs'
import { installCommand as installPython, installPythonTools, missingPythonTools } from './python-tools.mjs'
import { isCi, PrepareError } from './root.mjs'
import { capture } from './run.mjs'

/** `probe` exits 0 when the program is there; `usedBy` names the suites that need it. Add a line for a new need. */
const needs = [
  { name: 'busybox', probe: ['busybox', '--help'], apt: ['busybox'], usedBy: ['unit'] },
  { name: 'chromium', probe: ['/usr/bin/chromium', '--version'], apt: ['chromium'], usedBy: ['e2e'] },
  { name: 'buildah', probe: ['buildah', '--version'], apt: ['buildah'], usedBy: ['e2e'] },
  { name: 'debootstrap', probe: ['debootstrap', '--version'], apt: ['debootstrap'], usedBy: ['e2e'] },
  // The server alone, no service: tests start their own. What its setup needs comes with the client's core.
  {
    name: 'mariadb',
    probe: ['sh', '-c', 'PATH=$PATH:/usr/sbin; command -v mariadbd && command -v my_print_defaults'],
    apt: ['mariadb-server-core', 'mariadb-client-core'],
    usedBy: ['integration', 'e2e'],
  },
  { name: 'ssh', probe: ['ssh', '-V'], apt: ['openssh-client'], usedBy: ['peers'] },
  // Wherever it is: not every PATH has the folders of system programs.
  {
    name: 'sshd',
    probe: ['sh', '-c', 'PATH=$PATH:/usr/sbin:/usr/local/sbin; command -v sshd'],
    apt: ['openssh-server'],
    usedBy: ['peers'],
  },
]

function isThere(need) {
  return spawnSync(need.probe[0], need.probe.slice(1), { stdio: 'ignore' }).status === 0
}

/** The command that a person runs to have what is missing. */
function installCommand(missing) {
  const sudo = process.getuid?.() === 0 ? '' : 'sudo '
  const packages = missing.flatMap((need) => need.apt).join(' ')
  return `${sudo}apt-get install -y --no-install-recommends ${packages}`
}

async function install(missing) {
  const title = `Install ${missing.map((need) => need.name).join(', ')}`
  // In this runlevel no service is started by its installation: the peers bring an sshd of their own up.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  await runStep({ key: 'apt', title, roughMs: 60_000 }, () =>
    capture('sh', ['-c', `apt-get update -q && ${installCommand(missing)}`], { env }),
  )
}

/** @returns the names of system programs that are missing still */
async function missingPrograms(suites) {
  const wanted = needs.filter((need) => need.usedBy.some((suite) => suites.includes(suite)))
  const missing = wanted.filter((need) => !isThere(need))
  if (missing.length === 0 || !isCi) return missing
  await install(missing)
  const still = missing.filter((need) => !isThere(need))
  if (still.length === 0) return still
  throw new PrepareError(
    `CI needs ${still.map((need) => need.name).join(', ')}: \`${installCommand(still)}\` did not help.`,
  )
}

/**
 * Sees to the programs that `suites` need.
 * @returns what the tests' environment says: DROVER_MISSING (names) and DROVER_MISSING_INSTALL (the command)
 * @throws PrepareError with CI=true if something cannot be installed
 */
export async function systemPackages(suites) {
  const programs = await missingPrograms(suites)
  let tools = missingPythonTools(suites)
  if (tools.length && isCi) {
    await installPythonTools(tools)
    tools = []
  }
  const names = [...programs, ...tools].map((need) => need.name)
  if (names.length === 0) return {}
  const commands = [
    ...(programs.length ? [installCommand(programs)] : []),
    ...(tools.length ? [installPython] : []),
  ]
  const command = commands.join(' && ')
  process.stderr.write(`  ! not installed, so their tests are skipped: ${names.join(', ')} (${command})\n`)
  return { DROVER_MISSING: names.join(','), DROVER_MISSING_INSTALL: command }
}

/**
 * Sees to what the peers of the bench need: who asks for them (--peers) has agreed to an installation.
 * @throws PrepareError with the command, if only root can do it or if it did not help
 */
export async function peerPackages() {
  const wanted = () => needs.filter((need) => need.usedBy.includes('peers') && !isThere(need))
  if (wanted().length && process.getuid?.() === 0) await install(wanted())
  if (wanted().length) throw new PrepareError(`The peers need more: \`${installCommand(wanted())}\``)
  await installPythonTools(missingPythonTools(['peers']))
}
