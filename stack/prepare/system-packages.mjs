/** System programs that some suites need: installed with CI=true, elsewhere told to the suite, which counts as skipped. */
import { spawnSync } from 'node:child_process'
import { runStep } from './progress.mjs'
import { isCi, PrepareError } from './root.mjs'
import { capture } from './run.mjs'

/** `probe` exits 0 when the program is there; `usedBy` names the suites that need it. Add a line for a new need. */
const needs = [
  { name: 'busybox', probe: ['busybox', '--help'], apt: ['busybox'], usedBy: ['unit'] },
  { name: 'chromium', probe: ['/usr/bin/chromium', '--version'], apt: ['chromium'], usedBy: ['e2e'] },
  { name: 'buildah', probe: ['buildah', '--version'], apt: ['buildah'], usedBy: ['e2e'] },
  { name: 'debootstrap', probe: ['debootstrap', '--version'], apt: ['debootstrap'], usedBy: ['e2e'] },
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
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await runStep({ key: 'apt', title, roughMs: 60_000 }, () =>
    capture('sh', ['-c', `apt-get update -q && ${installCommand(missing)}`], { env }),
  )
}

/**
 * Sees to the programs that `suites` need.
 * @returns what the tests' environment says: DROVER_MISSING (names) and DROVER_MISSING_INSTALL (the command)
 * @throws PrepareError with CI=true if something cannot be installed
 */
export async function systemPackages(suites) {
  const wanted = needs.filter((need) => need.usedBy.some((suite) => suites.includes(suite)))
  let missing = wanted.filter((need) => !isThere(need))
  if (missing.length && isCi) {
    await install(missing)
    missing = missing.filter((need) => !isThere(need))
    if (missing.length) {
      throw new PrepareError(
        `CI needs ${missing.map((need) => need.name).join(', ')}: \`${installCommand(missing)}\` did not help.`,
      )
    }
  }
  if (missing.length === 0) return {}
  const command = installCommand(missing)
  process.stderr.write(
    `  ! not installed, so their tests are skipped: ${missing.map((need) => need.name).join(', ')} (${command})\n`,
  )
  return { DROVER_MISSING: missing.map((need) => need.name).join(','), DROVER_MISSING_INSTALL: command }
}
