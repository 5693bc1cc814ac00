/**
 * What every npm script runs: makes the checkout ready (packages, embedded servers, compiled code), then runs the command.
 * Plain Node, because it runs before anything is installed.
 */
import { join } from 'node:path'
import { runChecks } from './prepare/check.mjs'
import { bundleProgram, compile } from './prepare/compile.mjs'
import { generate } from './prepare/generate.mjs'
import { withLock } from './prepare/lock.mjs'
import { installPackages } from './prepare/node-modules.mjs'
import { say } from './prepare/progress.mjs'
import { requireNode } from './prepare/requirements.mjs'
import { PrepareError, root } from './prepare/root.mjs'
import { endWithParent, hand } from './prepare/run.mjs'
import { buildGoServers, copyPostgres, isMissing } from './prepare/servers.mjs'
import { peerPackages, systemPackages } from './prepare/system-packages.mjs'
import { needsServers, parseTestArguments, runSuites } from './prepare/tests.mjs'

const usage =
  'usage: node stack/prepare.mjs build [--code] | demo | up | simulate | chaos | storm | bench | test [suite...] | check | generate  [-- options]'

/** Packages, then code; the Go servers beside them if they are wanted. */
async function prepare({ servers }) {
  if (servers && ['temporal', 'minio', 'ferretdb'].some(isMissing)) {
    say('First preparation on this machine: servers are built from source, which takes some minutes once.')
  }
  // Both are waited for even when one fails: a build that goes on behind an error message confuses.
  const work = [prepareCheckout(servers), ...(servers ? [buildGoServers()] : [])]
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

function prepareCheckout(servers) {
  return withLock(
    join(root, '.drover/prepare.lock'),
    async () => {
      await installPackages()
      if (servers) await copyPostgres()
      await compile()
    },
    () => say('  … another preparation of this checkout is running: waiting'),
  )
}

const commands = {
  // `--code` leaves the embedded servers out: what goes into the image.
  build: async (args) => {
    await prepare({ servers: !args.includes('--code') })
    return 0
  },
  demo: async (args) => {
    await prepare({ servers: true })
    return hand(['dist/stack/demo-main.js', ...args])
  },
  up: async (args) => {
    await prepare({ servers: true })
    return hand(['dist/stack/up-main.js', ...args])
  },
  chaos: async (args) => {
    await prepare({ servers: true })
    await bundleProgram('chaos', 'test/chaos/main.ts')
    return hand(['dist/chaos.cjs', ...args])
  },
  storm: async (args) => {
    await prepare({ servers: true })
    await bundleProgram('storm', 'test/chaos/storm-main.ts')
    return hand(['dist/storm.cjs', ...args])
  },
  bench: async (args) => {
    await prepare({ servers: true })
    if (args.includes('--peers')) await peerPackages()
    await bundleProgram('bench', 'test/bench/main.ts')
    await bundleProgram('ceiling', 'test/bench/ceiling/worker-main.ts')
    return hand(['dist/bench.cjs', ...args])
  },
  // A platform that runs already; only code is needed. Thousands of hosts would say each of their sessions.
  simulate: async (args) => {
    await prepare({ servers: false })
    const env = { DROVER_LOG_LEVEL: process.env.DROVER_LOG_LEVEL ?? 'error' }
    return hand(['dist/agent/simulate/main.js', ...args], { env })
  },
  test: async (args) => {
    const wanted = parseTestArguments(args)
    await prepare({ servers: needsServers(wanted.suites) })
    return runSuites(wanted, await systemPackages(wanted.suites))
  },
  check: async () => {
    await prepare({ servers: false })
    return runChecks()
  },
  generate: async () => {
    await installPackages()
    await generate()
    return 0
  },
}

async function main() {
  const [name, ...rest] = process.argv.slice(2)
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined
  if (!command) throw new PrepareError(usage)
  requireNode()
  endWithParent()
  return command(rest.filter((arg, index) => !(index === 0 && arg === '--')))
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    process.stderr.write(`${error instanceof PrepareError ? error.message : error.stack}\n`)
    // A test command always ends with its counts, so that a reader of the last line is never misled.
    if (process.argv[2] === 'test') process.stdout.write('0 passed, 1 failed\n')
    process.exitCode = 1
  },
)
