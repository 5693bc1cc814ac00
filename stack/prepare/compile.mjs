/** Compiles what is not fresh: TypeScript, the agent with its SQL runner as one file, the workflow bundle. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packAgent } from './pack-agent.mjs'
import { runStep } from './progress.mjs'
import { root } from './root.mjs'
import { mustRun } from './run.mjs'

const parts = [
  'base',
  'domain',
  'proto',
  'store',
  'activities',
  'workflows',
  'gateway',
  'workers',
  'agent',
  'api',
  'sdk',
  'cli',
  'stack',
]
const settings = [
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.base.json',
  'stack/prepare/compile.mjs',
  'stack/prepare/pack-agent.mjs',
]

/** Every source file below `folder`, in a fixed order. */
function sourcesOf(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, name))
    .filter((name) => /\.(ts|tsx|json|mjs)$/.test(name) && !name.includes('node_modules'))
    .sort()
}

function hashOf(folders) {
  const hash = createHash('sha256')
  for (const name of [...settings, ...folders.flatMap(sourcesOf)]) {
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(root, name)))
      .update('\0')
  }
  return hash.digest('hex')
}

const stampFile = (name) => join(root, 'dist', `.${name}.stamp`)

/** Runs `work` unless `output` was made from the same inputs. */
async function unlessFresh({ name, inputs, output }, work) {
  const hash = hashOf(inputs)
  const stamp = stampFile(name)
  if (existsSync(join(root, output)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  await work()
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(stamp, hash)
}

/** `tsc -b` over all parts. */
function compileTypeScript() {
  return unlessFresh({ name: 'tsc', inputs: parts, output: 'dist/stack' }, () =>
    runStep({ key: 'tsc', title: 'Compile TypeScript', roughMs: 8_000 }, () =>
      mustRun(process.execPath, ['node_modules/@typescript/native/bin/tsc', '-b']),
    ),
  )
}

/** One CommonJS file with no node_modules beside it. */
function bundleAlone(entry, outfile, options = []) {
  return mustRun('node_modules/.bin/esbuild', [
    entry,
    '--bundle',
    '--platform=node',
    '--target=node20',
    '--format=cjs',
    `--outfile=dist/${outfile}`,
    '--log-level=warning',
    ...options,
  ])
}

/** What a host gets: the agent as one file, with the SQL runner, a program of its own, packed behind it. */
async function bundleAgent() {
  if (!existsSync(join(root, 'agent/main.ts'))) return
  await unlessFresh({ name: 'agent', inputs: ['agent', 'base', 'proto'], output: 'dist/agent.cjs' }, () =>
    runStep({ key: 'agent', title: 'Bundle the agent and its SQL runner', roughMs: 2_000 }, async () => {
      await Promise.all([
        bundleAlone('agent/main.ts', 'agent-alone.cjs'),
        // pg-native is a driver that pg can do without.
        bundleAlone('agent/sql/main.ts', 'sql-runner.cjs', ['--minify', '--external:pg-native']),
      ])
      packAgent('agent-alone.cjs', 'sql-runner.cjs', 'agent.cjs')
    }),
  )
}

/** The workflows as Temporal's workers load them. */
async function bundleWorkflows() {
  if (!existsSync(join(root, 'workflows/index.ts'))) return
  const inputs = ['workflows', 'domain', 'activities']
  await unlessFresh({ name: 'workflows', inputs, output: 'dist/workflow-bundle.js' }, () =>
    runStep({ key: 'workflows', title: 'Bundle the workflows', roughMs: 6_000 }, () =>
      mustRun(process.execPath, ['stack/prepare/bundle-workflows.mjs']),
    ),
  )
}

/**
 * A program of test/chaos as one file beside `node_modules`; tests are compiled nowhere else.
 * @param name `chaos` or `storm`: what dist/<name>.cjs is called
 */
export async function bundleProgram(name, entry) {
  await runStep({ key: name, title: `Bundle ${name}`, roughMs: 500 }, () =>
    mustRun('node_modules/.bin/esbuild', [
      entry,
      '--bundle',
      '--platform=node',
      '--target=node20',
      '--format=cjs',
      '--packages=external',
      `--outfile=dist/${name}.cjs`,
      '--log-level=warning',
    ]),
  )
}

/** Everything that runs, from sources; seconds when nothing changed. */
export async function compile() {
  await compileTypeScript()
  await Promise.all([bundleAgent(), bundleWorkflows()])
}
