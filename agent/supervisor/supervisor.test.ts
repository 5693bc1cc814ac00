import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SUPERVISOR } from './supervisor'

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const mayUnshare = spawnSync('unshare', ['-pf', '--mount-proc', 'true']).status === 0

describe('the supervisor', () => {
  let folder: string
  const children: ChildProcess[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drover-supervisor-'))
    mkdirSync(join(folder, 'state/versions'), { recursive: true })
    writeFileSync(join(folder, 'supervise'), SUPERVISOR)
    // Plays Node: the agents of these tests are shell scripts.
    writeFileSync(join(folder, 'node'), '#!/bin/sh\nshift\nexec /bin/sh "$@"\n')
    chmodSync(join(folder, 'node'), 0o700)
    writeFileSync(join(folder, 'installed'), agent())
  })

  afterEach(async () => {
    // Asked, not killed: a supervisor that is killed leaves its agent running.
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = ended(child)
      child.kill('SIGTERM')
      await gone
    }
    rmSync(folder, { recursive: true, force: true })
  })

  const file = (name: string) => join(folder, 'state/versions', name)
  const started = () =>
    existsSync(join(folder, 'started'))
      ? readFileSync(join(folder, 'started'), 'utf8').trim().split('\n')
      : []

  /** A script that says which version it is, and then does `then`. */
  function agent(then = 'while :; do sleep 0.1; done'): string {
    return `echo "$DROVER_AGENT_SUPERVISED" >> ${folder}/started\n${then}\n`
  }

  function start(before: string[] = []): ChildProcess {
    const supervise = ['/bin/sh', join(folder, 'supervise'), join(folder, 'node'), join(folder, 'installed')]
    const env = { PATH: process.env['PATH'], DROVER_AGENT_STATE: join(folder, 'state') }
    const child = spawn('/usr/bin/env', [...before, ...supervise], {
      env,
      stdio: 'ignore',
    })
    children.push(child)
    return child
  }

  const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once('exit', resolve))

  async function until(isReached: () => boolean): Promise<void> {
    for (
      const end = Date.now() + 15_000;
      !isReached();
      await new Promise((resolve) => setTimeout(resolve, 50))
    )
      if (Date.now() > end)
        throw new Error(
          `it did not get there: ${started().join(' ')} ${readdirSync(join(folder, 'state/versions')).join(' ')}`,
        )
  }

  it('passes the end on to the agent, and leaves nothing of itself', async () => {
    const child = start()
    await until(() => started().length === 1)
    child.kill('SIGTERM')
    expect(await ended(child)).toBe(0)
    expect(readdirSync(join(folder, 'state/versions'))).toEqual([])
  })

  it.each([2, 3])('ends with the agent where starting it again cannot help (%d)', async (status) => {
    writeFileSync(join(folder, 'installed'), agent(`exit ${status}`))
    expect(await ended(start())).toBe(status)
    expect(started()).toEqual(['1:installed'])
  })

  it('starts an agent again that died', async () => {
    writeFileSync(
      join(folder, 'installed'),
      agent(`[ -e ${folder}/once ] || { : > ${folder}/once; kill -KILL $$; }\nwhile :; do sleep 0.1; done`),
    )
    start()
    await until(() => started().length === 2)
  })

  it('is one for a folder', async () => {
    start()
    await until(() => started().length === 1)
    expect(await ended(start())).toBe(1)
  })

  it('ends what a killed supervisor left, before it starts anything', async () => {
    const first = start()
    await until(() => started().length === 1 && existsSync(file('agent')))
    const left = readFileSync(file('agent'), 'utf8').split(':')[0] ?? ''
    first.kill('SIGKILL')
    await ended(first)
    start()
    await until(() => started().length === 2)
    expect(existsSync(`/proc/${left}/exe`)).toBe(false)
  })

  it('tries what is next and keeps what shows itself good', async () => {
    writeFileSync(file(`${A}.cjs`), agent())
    writeFileSync(file('current'), `${A}\n`)
    writeFileSync(file(`${B}.cjs`), agent(`echo ${B} > ${file('good')}\nwhile :; do sleep 0.1; done`))
    writeFileSync(file('next'), `${B}\n`)
    start()
    await until(() => readFileSync(file('current'), 'utf8') === `${B}\n`)
    expect(readFileSync(file('previous'), 'utf8')).toBe(`${A}\n`)
    expect(started()).toEqual([`1:${B}`])
  })

  it.each<[string, string, string]>([
    ['crashes', 'exit 9', `${B} crashed 9\n`],
    ['hangs', 'while :; do sleep 0.1; done', `${B} no_session 1\n`],
  ])('goes back from a version that %s, and says why', async (_what, body, why) => {
    writeFileSync(file(`${A}.cjs`), agent())
    writeFileSync(file('current'), `${A}\n`)
    writeFileSync(file(`${B}.cjs`), agent(body))
    writeFileSync(file('probation'), '1\n')
    writeFileSync(file('next'), `${B}\n`)
    start()
    await until(() => started().length === 2)
    expect(started()).toEqual([`1:${B}`, `1:${A}`])
    expect(readFileSync(file('failed'), 'utf8')).toBe(why)
    expect(existsSync(file('trying'))).toBe(false)
  })

  it('goes back from a version whose trial was cut short, and keeps one that was good by then', async () => {
    for (const sha of [A, B]) writeFileSync(file(`${sha}.cjs`), agent())
    writeFileSync(file('current'), `${A}\n`)
    writeFileSync(file('trying'), `${B}\n`)
    const first = start()
    await until(() => started().length === 1)
    expect([started(), readFileSync(file('failed'), 'utf8')]).toEqual([[`1:${A}`], `${B} interrupted\n`])
    first.kill('SIGTERM')
    await ended(first)
    writeFileSync(file('trying'), `${B}\n`)
    writeFileSync(file('good'), `${B}\n`)
    start()
    await until(() => started().length === 2)
    expect(started()).toEqual([`1:${A}`, `1:${B}`])
  })

  it('starts the version before, or the installed one, where a bundle is gone', async () => {
    writeFileSync(file('current'), `${A}\n`)
    writeFileSync(file('previous'), `${B}\n`)
    writeFileSync(file(`${B}.cjs`), agent())
    const first = start()
    await until(() => started().length === 1)
    first.kill('SIGTERM')
    await ended(first)
    rmSync(file(`${B}.cjs`))
    start()
    await until(() => started().length === 2)
    expect(started()).toEqual([`1:${B}`, '1:installed'])
  })

  ;(mayUnshare ? it : it.skip)('reaps what scripts orphan, as PID 1 of a container', async () => {
    const orphans =
      '(sleep 0.3 &)\n(sh -c "sleep 0.3 & exec sleep 0.1" &)\nsleep 2\nps -A -o stat= > $STATS.tmp; mv $STATS.tmp $STATS\nwhile :; do sleep 0.1; done'
    writeFileSync(join(folder, 'installed'), agent(orphans.replaceAll('$STATS', join(folder, 'stats'))))
    const outside = start(['unshare', '-pf', '--mount-proc', '--kill-child'])
    await until(() => existsSync(join(folder, 'stats')))
    const stats = readFileSync(join(folder, 'stats'), 'utf8')
    // unshare does not pass SIGTERM on; with it ends everything in its namespace.
    outside.kill('SIGKILL')
    await ended(outside)
    expect(stats).not.toMatch(/^Z/m)
  })
})
