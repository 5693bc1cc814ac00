/**
 * Keeps the agent of a commit as a fixture, for the test that old agents work with new gateways:
 * `node stack/prepare/keep-agent.mjs COMMIT NAME` writes test/fixtures/agents/NAME.cjs.gz and NAME.json.
 * Run it for each release; the rule is in docs/operations/agent-upgrade.md.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from './root.mjs'

const [commitish, name] = process.argv.slice(2)
if (!commitish || !/^[a-z0-9][a-z0-9.-]*$/.test(name ?? '')) {
  process.stderr.write('usage: node stack/prepare/keep-agent.mjs COMMIT NAME\n')
  process.exit(2)
}
const git = (...words) => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim()
const commit = git('rev-parse', `${commitish}^{commit}`)
const aside = mkdtempSync(join(tmpdir(), 'drover-keep-'))
const tree = join(aside, 'tree')
const bundle = join(aside, 'agent.cjs')
try {
  git('worktree', 'add', '--detach', tree, commit)
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  const options = [
    '--bundle',
    '--platform=node',
    '--target=node20',
    '--format=cjs',
    '--log-level=warning',
    '--preserve-symlinks',
  ]
  execFileSync(
    join(root, 'node_modules/.bin/esbuild'),
    ['agent/main.ts', ...options, `--outfile=${bundle}`],
    {
      cwd: tree,
      stdio: 'inherit',
    },
  )
  const bytes = readFileSync(bundle)
  const version = execFileSync(process.execPath, [bundle, '--version'], { encoding: 'utf8' }).trim()
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const folder = join(root, 'test/fixtures/agents')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.cjs.gz`), gzipSync(bytes, { level: 9 }))
  const about = { commit, version, sha256, bytes: bytes.length }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(about, null, 2)}\n`)
  process.stdout.write(`${name}: version ${version}, ${bytes.length} bytes, sha256 ${sha256}\n`)
} finally {
  rmSync(aside, { recursive: true, force: true })
  git('worktree', 'prune')
}
