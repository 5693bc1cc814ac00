/** `npm run check`: everything that needs no running system, side by side, each with its time. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters, styleText } from 'node:util'
import { staleFiles } from './generate.mjs'
import { root } from './root.mjs'
import { capture } from './run.mjs'

const bin = (name) => `node_modules/.bin/${name}`
const program =
  (...args) =>
  () =>
    capture(args[0], args.slice(1))
const passed = (output = '') => ({ code: 0, output })

async function checkTests() {
  const typed = readdirSync(join(root, 'test'), { recursive: true }).some((name) => name.endsWith('.ts'))
  if (!typed) return passed('no tests yet')
  return capture(process.execPath, ['node_modules/@typescript/native/bin/tsc', '-p', 'test', '--noEmit'])
}

async function checkGenerated() {
  const stale = await staleFiles()
  if (stale.length === 0) return passed()
  return {
    code: 1,
    output: `Not what \`npm run generate\` gives:\n${stale.map((name) => `  ${name}`).join('\n')}`,
  }
}

function git(...args) {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim()
}

/** The commit whose protocol the tree must still speak: the last one with another protocol than the tree's. */
function protocolBaseline() {
  const commits = git('log', '-2', '--format=%H', '--', 'proto/*.proto').split('\n').filter(Boolean)
  const changed = git('status', '--porcelain', '--', 'proto/*.proto') !== ''
  return changed ? commits[0] : commits[1]
}

async function checkProtocol() {
  const baseline = protocolBaseline()
  if (!baseline) return passed('no earlier protocol')
  const folder = mkdtempSync(join(tmpdir(), 'drover-proto-'))
  try {
    mkdirSync(join(folder, 'proto'))
    const archive = `git archive ${baseline} buf.yaml proto | tar -x -C '${folder}'`
    const unpacked = await capture('sh', ['-c', archive])
    if (unpacked.code !== 0) return unpacked
    return await capture(bin('buf'), ['breaking', '--against', folder])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const checks = [
  ['types of tests', checkTests],
  ['lint', program(bin('oxlint'), '--type-aware', '--deny-warnings')],
  ['format', program(bin('biome'), 'format', '.')],
  ['dead code', program(bin('knip'), '--no-progress')],
  ['protocol lint', program(bin('buf'), 'lint')],
  ['protocol breaks', checkProtocol],
  ['generated code', checkGenerated],
]

async function runCheck([title, check]) {
  const startedAt = Date.now()
  const result = await check().catch((error) => ({ code: 1, output: error.message }))
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  const ok = result.code === 0
  const mark = ok ? 'ok  ' : 'FAIL'
  const colour = process.stdout.hasColors?.() ? styleText(ok ? 'green' : 'red', mark) : mark
  process.stdout.write(`${colour}  ${title.padEnd(16)} ${seconds.padStart(5)} s\n`)
  // Some tools colour their output on CI even when nobody sees colours.
  const output = process.stdout.isTTY ? result.output : stripVTControlCharacters(result.output)
  if (!ok) process.stdout.write(`${output.trimEnd()}\n\n`)
  return ok
}

/** @returns the exit code: 0 if all passed. TypeScript was compiled before (it is a check of its own). */
export async function runChecks() {
  if (!existsSync(join(root, 'test'))) mkdirSync(join(root, 'test'))
  const results = await Promise.all(checks.map(runCheck))
  const failed = results.filter((ok) => !ok).length
  process.stdout.write(
    failed ? `${failed} of ${checks.length} checks failed\n` : `all ${checks.length} checks passed\n`,
  )
  return failed ? 1 : 0
}
