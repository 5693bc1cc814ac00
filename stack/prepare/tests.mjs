/** Runs the suites one after another and ends with one line: `N passed, N failed`. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isCi, PrepareError, root } from './root.mjs'
import { hand } from './run.mjs'

/** In the order in which they run; the cheap ones first. */
const allSuites = ['unit', 'replay', 'integration', 'e2e', 'scenarios', 'chaos']
// Suites that start whole platforms have the machine to themselves.
const alone = ['integration', 'e2e', 'scenarios', 'chaos']
// Far over what a suite takes: a hang must end as a failure within CI's own limit, with the other suites' counts.
const limitMinutes = { unit: 7, replay: 3, integration: 17, e2e: 33, scenarios: 21, chaos: 8 }

/** The suites named on the command line, or all, without those that have no tests yet; anything from the first option on goes to jest. */
export function parseTestArguments(args) {
  const cut = args.findIndex((arg) => !allSuites.includes(arg))
  const names = cut < 0 ? args : args.slice(0, cut)
  const rest = cut < 0 ? [] : args.slice(cut)
  if (rest.length && !rest[0].startsWith('-') && names.length === 0) {
    throw new PrepareError(`No suite "${rest[0]}": the suites are ${allSuites.join(', ')}.`)
  }
  const wanted = names.length ? allSuites.filter((name) => names.includes(name)) : allSuites
  return { suites: wanted.filter(hasTests), jestArgs: rest }
}

/** Whether a suite will start servers: the unit and replay suites never do. */
export function needsServers(suites) {
  return suites.some((suite) => alone.includes(suite))
}

function hasTests(suite) {
  if (suite === 'unit') return true
  const folder = join(root, 'test', suite)
  return (
    existsSync(folder) && readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.test.ts'))
  )
}

/** What jest reported; a suite without a report crashed, which is a failure of its own. */
export function countsOf(report, code) {
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: 0 }
  const json = JSON.parse(readFileSync(report, 'utf8'))
  // A file that does not load has no tests in the counts.
  const failed = json.numFailedTests + json.numRuntimeErrorTestSuites
  return {
    passed: json.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: json.numPendingTests + json.numTodoTests,
  }
}

async function runSuite(suite, jestArgs, env) {
  const report = join(root, 'test/reports', `${suite}.json`)
  mkdirSync(join(root, 'test/reports'), { recursive: true })
  rmSync(report, { force: true })
  process.stderr.write(`\n── ${suite}\n`)
  const code = await hand(
    [
      'node_modules/jest/bin/jest.js',
      '--passWithNoTests',
      '--json',
      `--outputFile=${report}`,
      // A leaked handle is a warning there; at a developer's desk jest stays, and shows it.
      ...(isCi ? ['--forceExit'] : []),
      ...(alone.includes(suite) ? ['--runInBand'] : ['--maxWorkers=2']),
      ...jestArgs,
    ],
    { env: { ...env, DROVER_SUITE: suite, NODE_ENV: 'test' }, limitMs: limitMinutes[suite] * 60_000 },
  )
  return countsOf(report, code)
}

/**
 * @param env added to the tests' environment
 * @returns the exit code: 0 if nothing failed
 */
export async function runSuites({ suites, jestArgs }, env) {
  const sum = { passed: 0, failed: 0, skipped: 0 }
  for (const suite of suites) {
    const counts = await runSuite(suite, jestArgs, env)
    for (const key of Object.keys(sum)) sum[key] += counts[key]
  }
  const skipped = sum.skipped ? `, ${sum.skipped} skipped` : ''
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed${skipped}\n`)
  return sum.failed ? 1 : 0
}
