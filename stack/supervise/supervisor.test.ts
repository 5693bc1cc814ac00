/** The supervisor with real processes: deaths, restarts, and kills with -9 of everything above the children. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildSync } from 'esbuild'
import { isRunning, pidsWithEnvironment, statOf } from './proc.js'
import { Supervisor } from './supervisor.js'

let folder: string
const started: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-supervisor-'))
})

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !holds(); ) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const marked = (marker: string) => pidsWithEnvironment(`DROVER_STACK=${marker}`)
const shell = (name: string, script: string) => ({
  name,
  command: '/bin/sh',
  args: ['-c', script],
  env: { PATH: process.env['PATH'] },
  graceMs: 300,
})

// One that ends when asked, one that will not, and one with a grandchild in a session of its own.
const stack = `
import { Supervisor } from './supervisor.js'
import { watchAncestors } from './ancestors.js'
const supervisor = new Supervisor({ logs: process.argv[2] + '/logs', temporaryFolder: process.argv[2] + '/data' })
const sh = (name, script) => ({ name, command: '/bin/sh', args: ['-c', script], env: { PATH: process.env.PATH }, graceMs: 300 })
supervisor.start(
  sh('plain', 'exec sleep 300'),
  sh('stubborn', 'trap "" TERM INT; while :; do sleep 300; done'),
  sh('forking', 'setsid sleep 300 & exec sleep 300'),
)
watchAncestors(() => void supervisor.close().then(() => process.exit(129)))
setInterval(() => {}, 1000)
console.log(process.pid + ' ' + supervisor.marker)
`

function compileStack(): string {
  const outfile = join(folder, 'stack.cjs')
  buildSync({
    stdin: { contents: stack, resolveDir: __dirname, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
  })
  return outfile
}

/** Runs the small stack below `command`; resolves when all its processes are there. */
async function startStack(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  started.push(child)
  const line = await new Promise<string>((resolve) => {
    if (child.stdout) createInterface(child.stdout).once('line', resolve)
  })
  const [pid = '', marker = ''] = line.split(' ')
  // plain, stubborn and its sleep, forking and its grandchild
  await until('five processes', () => marked(marker).length === 5)
  return { pid: Number(pid), marker, child }
}

function watchdogOf(pid: number): number[] {
  const children = pidsWithEnvironment('PATH=/usr/local/bin:/usr/bin:/bin')
  return children.filter((child) => statOf(child)?.parent === pid)
}

describe('a stack that is killed with -9', () => {
  it('leaves no process behind, a grandchild in a session of its own included', async () => {
    const { pid, marker } = await startStack(process.execPath, [compileStack(), folder])
    mkdirSync(join(folder, 'data'))
    process.kill(pid, 'SIGKILL')
    await until('all are gone', () => marked(marker).length === 0)
    await until('its temporary data is gone', () => !existsSync(join(folder, 'data')))
  })

  it('leaves none either when its watchdog was killed before', async () => {
    const { pid, marker } = await startStack(process.execPath, [compileStack(), folder])
    const [first = 0] = watchdogOf(pid)
    // A watchdog that dies at its birth is not replaced; this one has lived.
    await until('an old watchdog', () => first > 0)
    await new Promise((resolve) => setTimeout(resolve, 150))
    process.kill(first, 'SIGKILL')
    await until('another watchdog', () => watchdogOf(pid).some((other) => other !== first))
    process.kill(pid, 'SIGKILL')
    await until('all are gone', () => marked(marker).length === 0)
  })

  it('ends when the preparation above it is killed', async () => {
    const program = compileStack()
    const above = join(folder, 'above.cjs')
    writeFileSync(
      above,
      `require('node:child_process').spawn(process.execPath, ${JSON.stringify([program, folder])},
        { stdio: 'inherit', env: { ...process.env, DROVER_PREPARE_PID: String(process.pid) } })`,
    )
    const { pid, marker, child } = await startStack(process.execPath, [above])
    const birth = statOf(pid)?.birth ?? ''
    child.kill('SIGKILL')
    await until('all are gone', () => marked(marker).length === 0)
    await until('the stack is gone', () => !isRunning(pid, birth))
  })
})

describe('a supervised child', () => {
  it('is started again when it dies', async () => {
    const supervisor = new Supervisor({ logs: folder })
    const [child] = supervisor.start(shell('sleeper', 'exec sleep 300'))
    const first = child?.pid
    child?.kill('SIGKILL')
    await until('another process', () => child?.state === 'running' && child.pid !== first)
    await supervisor.close()
    expect(marked(supervisor.marker)).toEqual([])
  })

  it('stays down after five deaths within a minute, and its last lines are told', async () => {
    const lines: string[] = []
    const supervisor = new Supervisor({ logs: folder, log: (line) => lines.push(line) })
    const [child] = supervisor.start(shell('broken', 'echo "no space left on device"; exit 3'))
    await expect(child?.waitReady()).resolves.toBeUndefined()
    await until('it is given up', () => child?.state === 'failed')
    expect(lines.filter((line) => line.includes('starting it again'))).toHaveLength(4)
    expect(lines.at(-1)).toContain('the fifth time within a minute')
    expect(lines.at(-1)).toContain('The disk is full.')
    expect(lines.at(-1)).toContain('  | no space left on device')
    await supervisor.close()
  })

  it('tells the end of its log when it is not ready in time', async () => {
    const supervisor = new Supervisor({ logs: folder })
    const [child] = supervisor.start({
      ...shell('deaf', 'echo "bind: Address already in use"; exec sleep 300'),
      isReady: () => Promise.resolve(false),
    })
    await until('its log', () => (child?.tail() ?? '').includes('bind'))
    await expect(child?.waitReady(100)).rejects.toThrow(/deaf was not ready.*Its port is taken/s)
    await supervisor.close()
  })

  it('does not come back after a stop, and does after a start', async () => {
    const supervisor = new Supervisor({ logs: folder })
    const [child] = supervisor.start(shell('sleeper', 'exec sleep 300'))
    await child?.stop()
    expect(child?.state).toBe('stopped')
    expect(marked(supervisor.marker)).toEqual([])
    child?.start()
    expect(marked(supervisor.marker)).toHaveLength(1)
    await supervisor.close()
  })

  it('is stopped after those that were started later', async () => {
    const order = join(folder, 'order')
    const supervisor = new Supervisor({ logs: folder })
    for (const name of ['first', 'second', 'third']) {
      const script = `trap 'echo ${name} >> ${order}; exit 0' TERM; echo up; while :; do sleep 0.05; done`
      const [child] = supervisor.start({ ...shell(name, script), graceMs: 5_000 })
      await until(`${name} is up`, () => child?.tail() === 'up')
    }
    await supervisor.close()
    expect(readFileSync(order, 'utf8').trim().split('\n')).toEqual(['third', 'second', 'first'])
  })
})
