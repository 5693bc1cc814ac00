/** The SDK and the command line against a whole platform: real hosts, real scripts, the exit codes that scripts rely on. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createDrover, type Drover, type OutputEvent } from '../../sdk/index'
import { askEveryHost } from '../../sdk/examples/launch'
import { type Platform, startPlatform } from '../../stack/platform/platform'

let platform: Platform
let drover: Drover

beforeAll(async () => {
  platform = await startPlatform({
    ephemeral: true,
    agents: 4,
    objectStore: 'manual',
    fsync: false,
    prefix: 'DROVER_TEST_',
  })
  drover = createDrover(platform)
  for (let connected = 0; connected < 4; ) {
    connected = 0
    for await (const host of drover.hosts()) if (host.connected) connected++
  }
}, 120_000)

afterAll(() => platform?.close())

interface Ran {
  code: number | null
  out: string
  err: string
}

async function cli(
  args: string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [join(__dirname, '../../cli/bin/drover.cjs'), ...args], {
    env: { ...process.env, ...platform.env, ...options.env },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => (out += String(data)))
  child.stderr.on('data', (data) => (err += String(data)))
  child.stdin.end(options.input ?? '')
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

describe('the SDK', () => {
  it('runs its example', async () => {
    const lines: string[] = []
    expect(await askEveryHost(drover, 4, (line) => lines.push(line))).toBe('succeeded')
    expect(lines[0]).toMatch(/^4 hosts identical \[.*\]$/)
    expect(lines[2]).toBe(execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim())
  })

  it('follows output from the first line to the end', async () => {
    const run = await drover.launch({
      target: 'name:rack-a-1',
      script: { script: 'for i in 1 2 3; do echo $i; sleep 0.2; done; echo oops >&2' },
    })
    const events: OutputEvent[] = []
    for await (const event of drover.followOutput(run.id)) events.push(event)
    const text = (stream: string) =>
      events.map((event) => (event.type === 'chunk' && event.stream === stream ? event.text : '')).join('')
    expect([text('stdout'), text('stderr')]).toEqual(['1\n2\n3\n', 'oops\n'])
    expect(events.at(-1)).toEqual({ type: 'end', state: 'succeeded' })
    // It came as it was written, not all at the end.
    expect(
      events.filter((event) => event.type === 'chunk' && event.stream === 'stdout').length,
    ).toBeGreaterThan(1)
  })

  it('pages through what is long', async () => {
    const states: string[] = []
    for await (const run of drover.executions()) states.push(run.state)
    const [newest] = states
    expect(newest).toBe('succeeded')
    const names: string[] = []
    for await (const host of drover.executionHosts('1', 0)) names.push(host.hostName)
    expect(names).toHaveLength(4)
  })
})

describe('drover run', () => {
  it('prints a line for each host and then the output once, without a control character', async () => {
    const ran = await cli(['run', '-t', '*', '--', 'echo', 'same  words', '$HOME'])
    expect(ran.code).toBe(0)
    const lines = ran.out.trimEnd().split('\n')
    expect(lines.slice(0, 4).sort()).toEqual(
      ['rack-a-1', 'rack-a-2', 'rack-b-1', 'rack-b-2'].map((name) => `${name} succeeded exit 0`),
    )
    expect(lines.slice(4)).toEqual([
      '4 hosts identical [rack-a-[1-2],rack-b-[1-2]]',
      '── rack-a-[1-2],rack-b-[1-2] · 4 hosts',
      'same  words $HOME',
    ])
    expect(ran.out + ran.err).not.toContain('\u001b')
  })

  it.each([
    ['1 for a host that failed', ['run', '-t', 'name:rack-a-1', '--', 'exit 3'], 1],
    ['2 for wrong usage', ['run', '--', 'true'], 2],
    ['2 for a target that cannot be read', ['run', '-t', 'rack==,', '--', 'true'], 2],
    ['3 for a number that was not confirmed', ['run', '-t', '*', '--confirm', '3', '--', 'true'], 3],
    ['4 for a timeout', ['run', '-t', 'name:rack-a-1', '--timeout', '300ms', '--', 'sleep', '20'], 4],
    ['8 for a host that is not there', ['run', '-t', 'name:nope', '--', 'true'], 8],
    ['8 for a run that is not there', ['runs', 'show', 'r-999999'], 8],
    ['9 for what the state does not allow', ['runs', 'pause', 'r-1'], 9],
  ])('ends with %s', async (_what, args, code) => {
    const ran = await cli(args)
    expect([ran.code, ran.err]).toEqual([code, expect.stringMatching(/./)])
  })

  it('ends with 7 without a token that is known, and with 75 when nobody answers', async () => {
    expect((await cli(['whoami'], { env: { DROVER_TOKEN: '' } })).code).toBe(7)
    expect((await cli(['whoami'], { env: { DROVER_TOKEN: `drt_${'x'.repeat(43)}` } })).code).toBe(7)
    const away = await cli(['whoami'], { env: { DROVER_URL: 'http://127.0.0.1:9' } })
    expect([away.code, away.err]).toEqual([75, expect.stringMatching(/drover doctor/)])
  })

  it('ends with 5 when the run is cancelled by someone else', async () => {
    const launched = await cli(['run', '-t', 'name:rack-a-1', '--detach', '--', 'sleep 30'])
    const run = launched.out.trim()
    expect(run).toMatch(/^r-\d+$/)
    const watching = cli(['runs', 'watch', run])
    expect((await cli(['runs', 'cancel', run])).code).toBe(0)
    expect((await watching).code).toBe(5)
  })

  it('leaves the run alone at the first Ctrl-C, and cancels it at the second', async () => {
    for (const [interrupts, code, state] of [
      [1, 130, 'running'],
      [2, 5, 'cancelled'],
    ] as const) {
      const child = spawn(
        process.execPath,
        [join(__dirname, '../../cli/bin/drover.cjs'), 'run', '-t', 'name:rack-a-2', '--', 'sleep 15'],
        {
          env: { ...process.env, ...platform.env },
        },
      )
      const told: string[] = []
      child.stderr.setEncoding('utf8').on('data', (text: string) => told.push(text))
      await once(child.stderr, 'data')
      const run = /r-(\d+)/.exec(told.join(''))?.[1] ?? ''
      for await (const event of drover.watchEvents(run)) if (event.type === 'hosts') break
      for (let i = 0; i < interrupts; i++) {
        const heard = once(child.stderr, 'data')
        child.kill('SIGINT')
        await heard
      }
      const [ended] = (await once(child, 'close')) as [number | null]
      expect([ended, told.join('')]).toEqual([code, expect.stringContaining(`drover runs watch r-${run}`)])
      expect((await drover.execution(run)).state).toBe(state)
      if (state === 'running') await drover.operate(run, { kind: 'cancel' })
    }
  })

  it('takes targets from standard input and says it all in one object with --json', async () => {
    const ran = await cli(['run', '-t', '-', '--json', '--', 'echo out; echo err >&2'], {
      input: '# mine\nrack-a-[1-2]\nname:rack-b-1\n',
    })
    const said = JSON.parse(ran.out) as {
      exitCode: number
      steps: { groups: { stdout: string; stderr: string; nodeset: string }[] }[]
    }
    expect(said.exitCode).toBe(0)
    expect(said.steps[0]?.groups).toEqual([
      expect.objectContaining({ nodeset: 'rack-a-[1-2],rack-b-1', stdout: 'out\n', stderr: 'err\n' }),
    ])
    expect(ran.err).toBe('')
  })

  it('runs a file in its language, with arguments, environment and folder', async () => {
    const input =
      'const { FLAG } = process.env; console.log(process.argv.slice(2).join("|"), FLAG, process.cwd())'
    const args = [
      'run',
      '-t',
      'name:rack-a-1',
      '--file',
      '-',
      '--lang',
      'node',
      '--env',
      'FLAG=a=b',
      '--cwd',
      '/tmp',
      '--',
      'x y',
      '$z',
    ]
    const ran = await cli(args, { input })
    expect(ran.out.trimEnd().split('\n').at(-1)).toBe('x y|$z a=b /tmp')
  })
})

describe('other commands', () => {
  it('list, show and label hosts', async () => {
    expect((await cli(['hosts', 'label', 'rack-a-1', 'tier=gold'])).code).toBe(0)
    expect((await cli(['hosts', 'ls', '-t', 'tier=gold'])).out).toMatch(/rack-a-1 .*tier=gold/)
    expect((await cli(['hosts', 'label', 'rack-a-1', 'tier-'])).code).toBe(0)
    const shown = JSON.parse((await cli(['hosts', 'show', 'rack-a-1', '--json'])).out) as { labels: object }
    expect(shown.labels).not.toHaveProperty('tier')
  })

  it('print logs of one host as they are, and of several by line', async () => {
    const made = await cli(['run', '-t', 'name:rack-a-[1-2]', '--detach', '--', 'printf "a\\nb"'])
    const run = made.out.trim()
    await cli(['runs', 'watch', run])
    expect((await cli(['runs', 'logs', run, '--host', 'rack-a-1'])).out).toBe('a\nb')
    expect((await cli(['runs', 'logs', run])).out).toBe(
      'rack-a-1: a\nrack-a-1: b\nrack-a-2: a\nrack-a-2: b\n',
    )
    expect((await cli(['runs', 'logs', run, '--follow', '--host', 'rack-a-2'])).out).toBe('a\nb')
  })

  it('find nothing wrong with a platform that is well', async () => {
    const ran = await cli(['doctor'])
    expect(ran.out).toMatch(/agents\s+4 of 4 connected/)
    expect(ran.out).toMatch(/development server/)
    expect(ran.out).not.toMatch(/BAD/)
    expect(ran.code).toBe(0)
  })

  it('answer --help within a tenth of a second beyond what Node itself takes', () => {
    const time = (args: string[]) => {
      const startedAt = performance.now()
      execFileSync(process.execPath, args)
      return performance.now() - startedAt
    }
    const best = (args: string[]) => Math.min(...Array.from({ length: 5 }, () => time(args)))
    const own = best([join(__dirname, '../../cli/bin/drover.cjs'), '--help']) - best(['-e', '0'])
    expect(own).toBeLessThan(100)
  })
})

describe('the script library on the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-library-'))
  const file = join(folder, 'greet.py')
  const write = (text: string) => writeFileSync(file, text)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('takes a script from its file to every host, and a new version after it', async () => {
    write('import sys\nprint("hello", *sys.argv[1:])\n')
    expect((await cli(['scripts', 'put', 'greet', file])).err).toBe('greet@1 is draft\n')
    const early = await cli(['run', '-t', '*', '--script', 'greet'])
    expect([early.code, early.err]).toEqual([
      9,
      expect.stringContaining('no version of script greet is online'),
    ])
    expect((await cli(['scripts', 'publish', 'greet'])).err).toBe('greet@1 is online\n')
    const ran = await cli(['run', '-t', '*', '--script', 'greet', '--', 'there', 'two words'])
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('hello there two words')])
    for (const more of [[], ['--publish']])
      expect((await cli(['scripts', 'put', 'greet', file, ...more])).err).toBe(
        'greet@1 is online, unchanged\n',
      )
    const other = await cli(['scripts', 'put', 'greet', file, '--lang', 'perl'])
    expect([other.code, other.err]).toEqual([2, expect.stringContaining('greet is a script in python')])
    write('print("good day")\n')
    expect((await cli(['scripts', 'put', 'greet', file, '--publish'])).err).toBe('greet@2 is online\n')
    expect((await cli(['scripts', 'diff', 'greet@1', 'greet@2'])).out).toContain('+print("good day")')
    expect((await cli(['scripts', 'diff', 'greet@1'])).out).toContain('-print("good day")')
    const old = await cli(['run', '-t', 'name:rack-a-1', '--script', 'greet@1', '--json'])
    const run = JSON.parse(old.out) as { execution: { id: string } }
    expect((await cli(['runs', 'show', run.execution.id])).out).toMatch(/greet@1 +succeeded/)
    expect((await cli(['scripts', 'show', 'greet'])).out).toMatch(/2 +online[\s\S]*1 +offline/)
    expect((await cli(['scripts', 'show', 'greet@2'])).out).toBe('print("good day")\n')
  })

  it('shares a script with all scopes, by the same commands', async () => {
    write('print("for all")\n')
    expect((await cli(['scripts', 'put', 'public/greet', file, '--publish'])).err).toBe(
      'public/greet@1 is online\n',
    )
    expect((await cli(['scripts', 'ls', '--public'])).out).toMatch(/^public\/greet +python +1 +1/m)
    expect((await cli(['scripts', 'ls'])).out).not.toContain('public/')
    const ran = await cli(['run', '-t', '*', '--script', 'public/greet'])
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('for all')])
    write('print("for everybody")\n')
    await cli(['scripts', 'put', 'public/greet', file])
    expect((await cli(['scripts', 'diff', 'public/greet@2'])).out).toContain('+print("for everybody")')
    const editor = join(folder, 'editor')
    writeFileSync(editor, '#!/bin/sh\necho "print(3)" > "$1"\n', { mode: 0o755 })
    const edited = await cli(['scripts', 'edit', 'public/greet'], { env: { EDITOR: editor, VISUAL: '' } })
    expect(edited.err).toBe('public/greet@2 is draft\n')
    const job = join(folder, 'job.yaml')
    writeFileSync(job, 'job: all\nsteps:\n  - name: one\n    uses: public/greet@1\nplans:\n  whole: {}\n')
    expect(await cli(['jobs', 'apply', job])).toMatchObject({ code: 0 })
    expect((await cli(['scripts', 'uses', 'public/greet'])).out).toMatch(
      /all +one +public\/greet@1 +1 online/,
    )
    expect((await cli(['scripts', 'sync', 'public/greet@1'])).err).toContain('no job names another version')
    const preview = await cli(['run', '-t', '*', '--job', 'all/whole', '--preview'])
    expect([preview.code, preview.out]).toEqual([0, expect.stringContaining('public/greet@1')])
    expect(await cli(['run', '-t', '*', '--job', 'all/whole'])).toMatchObject({ code: 0 })
  })

  it('opens a draft in the editor, and keeps what was written when somebody else was faster', async () => {
    write('echo 1\n')
    await cli(['scripts', 'put', 'edited', file, '--lang', 'sh'])
    const editor = join(folder, 'editor')
    writeFileSync(editor, '#!/bin/sh\necho "echo 2" > "$1"\n', { mode: 0o755 })
    const env = { EDITOR: editor, VISUAL: '' }
    expect((await cli(['scripts', 'edit', 'edited'], { env })).err).toBe('edited@1 is draft\n')
    expect((await cli(['scripts', 'show', 'edited@1'])).out).toBe('echo 2\n')
    const slow = `#!/bin/sh\necho "echo mine" > "$1"\n${process.execPath} ${join(__dirname, '../../cli/bin/drover.cjs')} scripts publish edited\n`
    writeFileSync(editor, slow)
    const late = await cli(['scripts', 'edit', 'edited'], { env })
    expect([late.code, late.err]).toEqual([9, expect.stringContaining('make a new version')])
    const [, kept = ''] = /kept in (\S+)/.exec(late.err) ?? []
    expect(readFileSync(kept, 'utf8')).toBe('echo mine\n')
    rmSync(dirname(kept), { recursive: true })
  })

  it('says what to do where a name means nothing', async () => {
    expect((await cli(['scripts', 'show', 'nothing'])).err).toContain('drover scripts ls')
    expect(await cli(['scripts', 'disable', 'greet'])).toMatchObject({ code: 2 })
    expect(await cli(['scripts', 'tag', 'greet'])).toMatchObject({ code: 2 })
    expect(await cli(['run', '-t', '*', '--script', 'a', '--file', 'b'])).toMatchObject({ code: 2 })
    expect((await cli(['scripts', 'edit', 'greet'], { env: { EDITOR: '', VISUAL: '' } })).err).toContain(
      'EDITOR',
    )
  })
})

describe('what runs tell on the command line', () => {
  const runOf = (ran: Ran) => /r-\d+/.exec(ran.out + ran.err)?.[0] ?? 'none'
  let first: string
  let second: string

  beforeAll(async () => {
    const script = (word: string) =>
      `echo "one ${word}"; echo two; [ "$(hostname)" ] && echo "${word} failed" >&2`
    first = runOf(await cli(['run', '-t', '*', '--name', 'tale', '--detach', '--', script('apple')]))
    await cli(['runs', 'watch', first])
    second = runOf(await cli(['run', '-t', '*', '--name', 'tale', '--detach', '--', script('pear')]))
    await cli(['runs', 'watch', second])
  }, 60_000)

  it('finds lines in everything that hosts wrote', async () => {
    const found = await cli(['runs', 'search', first, 'apple'])
    expect(found.out.split('\n').slice(0, 2)).toEqual([
      'rack-a-1:1: one apple',
      'rack-a-1:stderr:1: apple failed',
    ])
    expect(found.out.trimEnd().split('\n')).toHaveLength(8)
    expect((await cli(['runs', 'search', first, 'APPLE$', '-E', '-i', '--count'])).out).toMatch(
      /STEP +HOST +LINES\n1 +rack-a-1 +1\n/,
    )
    expect(await cli(['runs', 'search', first, 'pear'])).toMatchObject({
      code: 8,
      out: '',
      err: expect.stringMatching(/^nothing found: searched \d+ bytes of 4 hosts\n$/),
    })
    expect(await cli(['runs', 'search', first, '(', '-E'])).toMatchObject({ code: 2 })
  })

  it('compares two runs, and two hosts of one', async () => {
    const runs = await cli(['runs', 'compare', second, first])
    expect(runs.out).toMatch(/4 +succeeded +succeeded +differs +rack-a-\[1-2\],rack-b-\[1-2\]/)
    const hosts = await cli(['runs', 'compare', first, '--hosts', 'rack-a-1,rack-a-2'])
    expect([hosts.code, hosts.err]).toEqual([0, 'they wrote the same\n'])
    expect(await cli(['runs', 'compare', first])).toMatchObject({ code: 2 })
  })

  it('exports rows', async () => {
    const csv = (await cli(['runs', 'export', first, '--format', 'csv'])).out
    expect(csv.split('\r\n')).toHaveLength(6)
    expect(csv).toContain(',rack-b-2,')
    const rows = (await cli(['runs', 'export', first])).out.trimEnd().split('\n')
    expect(rows.map((row) => (JSON.parse(row) as { state: string }).state)).toEqual(
      Array(4).fill('succeeded'),
    )
  })

  it('shows a launch before it is one, and starts exactly that', async () => {
    const words = ['run', '-t', 'name:rack-a-[1-2]', '--name', 'tale']
    const preview = await cli([...words, '--preview', '--', 'echo plum'])
    expect(preview.out).toContain('tale on 2 hosts: rack-a-[1-2]\n')
    expect(preview.out).toMatch(/\+echo plum/)
    expect(preview.out).toContain(`the latest is ${second}, on 4 hosts`)
    expect(preview.err).toContain('nothing was started')
    const digest = /digest ([0-9a-f]{64})/.exec(preview.out)?.[1] ?? ''
    expect(await cli([...words, '--digest', digest, '--', 'echo quince'])).toMatchObject({
      code: 9,
      err: expect.stringContaining('look at a new preview'),
    })
    expect(await cli([...words, '--digest', digest, '--', 'echo plum'])).toMatchObject({ code: 0 })
  })

  it('does a run again, as it was and edited', async () => {
    const again = await cli(['runs', 'redo', first, '-t', 'name:rack-a-1'])
    expect([again.code, again.out]).toEqual([0, expect.stringContaining('one apple')])
    const folder = mkdtempSync(join(tmpdir(), 'drover-redo-'))
    const editor = join(folder, 'editor')
    writeFileSync(editor, '#!/bin/sh\nsed -i s/apple/melon/ "$1"\n', { mode: 0o755 })
    const env = { EDITOR: editor, VISUAL: '' }
    const untouched = await cli(['runs', 'redo', first, '--edit'], { env: { EDITOR: 'true', VISUAL: '' } })
    expect([untouched.code, untouched.err]).toEqual([
      0,
      expect.stringMatching(/^unchanged: nothing was started/),
    ])
    // What was written is kept where it did not start, and taken up again.
    const refused = await cli(['runs', 'redo', first, '--edit', '--confirm', '9'], { env })
    expect(refused.code).toBe(3)
    const [, kept = ''] = /--file (\S+)/.exec(refused.err) ?? []
    expect((await cli(['runs', 'redo', first, '--file', kept])).out).toContain('one melon')
    rmSync(dirname(kept), { recursive: true })
    const edited = await cli(['runs', 'redo', first, '--same-hosts', '--edit'], { env })
    expect([edited.code, edited.out]).toEqual([0, expect.stringContaining('one melon')])
    expect(edited.out).toContain('4 hosts identical')
    rmSync(folder, { recursive: true })
  })

  it('cancels many once their number was said, and keeps why', async () => {
    const ids = []
    for (let n = 0; n < 2; n++)
      ids.push(
        runOf(await cli(['run', '-t', 'name:rack-a-1', '--name', 'nap', '--detach', '--', 'sleep 60'])),
      )
    expect(await cli(['runs', 'cancel-all', '--name', 'nap'])).toMatchObject({
      code: 3,
      err: expect.stringContaining('--confirm 2'),
    })
    const done = await cli(['runs', 'cancel-all', '--name', 'nap', '--confirm', '2', '--why', 'morning'])
    expect(done.out.trim().split('\n')).toEqual(ids)
    for (const id of ids) {
      expect(await cli(['runs', 'watch', id])).toMatchObject({ code: 5 })
      expect(await drover.operations(id.slice(2))).toMatchObject([
        { kind: 'cancel', args: { why: 'morning' } },
      ])
    }
    expect(await cli(['runs', 'cancel-all', '--name', 'nap'])).toMatchObject({ code: 8 })
  }, 60_000)
})

describe('jobs on the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-jobs-'))
  const file = join(folder, 'site.yaml')
  const document = (more: string) =>
    `job: site\nsteps:\n  - name: greet\n    language: sh\n    script: echo hello\n  - name: leave\n    script: echo bye\n${more}`

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('go from a file to the hosts, and back into a file', async () => {
    writeFileSync(file, document('plans:\n  short:\n    steps:\n      - greet\n  whole: {}\n'))
    expect((await cli(['jobs', 'diff', file])).out).toContain('+job: site')
    expect((await cli(['jobs', 'apply', file])).err).toBe('site is made; plans short, whole\n')
    expect((await cli(['jobs', 'apply', file])).err).toBe('site is unchanged\n')
    expect((await cli(['jobs', 'export', 'site'])).out).toBe(readFileSync(file, 'utf8'))
    const ran = await cli(['run', '-t', 'name:rack-a-1', '--job', 'site/short', '--json'])
    const run = JSON.parse(ran.out) as { execution: { name: string }; steps: { step: { name: string } }[] }
    expect([ran.code, run.execution.name, run.steps.map(({ step }) => step.name)]).toEqual([
      0,
      'site/short',
      ['greet'],
    ])
  })

  it('keep values of secret variables to themselves, and as they are where a file says ******', async () => {
    const own = join(folder, 'secret.yaml')
    const key = join(folder, 'key.txt')
    const values = { job: 'value-of-the-job', plan: 'value-of-the-plan', launch: 'value-of-the-launch' }
    const text = (job: string, plan: string) =>
      `job: keeps\nvariables:\n  - name: KEY\n    type: secret\n    value: ${job}\nsteps:\n  - name: show\n    language: sh\n    script: base64 < "$KEY_FILE"; cat "$KEY_FILE"\nplans:\n  own:\n    values:\n      KEY: ${plan}\n  whole: {}\n`
    writeFileSync(own, text(values.job, values.plan))
    const told: Ran[] = []
    const tell = async (args: string[]) => {
      const ran = await cli(args)
      told.push(ran)
      return ran
    }
    expect((await tell(['jobs', 'diff', own])).out).toContain('+    value: "****** (another one)"')
    expect((await tell(['jobs', 'apply', own])).err).toBe('keeps is made; plans own, whole\n')
    const exported = await tell(['jobs', 'export', 'keeps'])
    expect(exported.out).toBe(text('"******"', '"******"'))
    writeFileSync(own, exported.out)
    expect((await tell(['jobs', 'diff', own])).err).toBe('keeps: nothing to change\n')
    expect((await tell(['jobs', 'apply', own])).err).toBe('keeps is unchanged\n')
    writeFileSync(own, `${exported.out.replace('KEY_FILE"; cat', 'KEY_FILE" ; cat')}`)
    expect((await tell(['jobs', 'apply', '--sync', own])).err).toBe('keeps is changed; plans own, whole\n')
    await tell(['jobs', 'show', 'keeps'])
    await tell(['jobs', 'show', 'keeps/own', '--json'])
    writeFileSync(key, values.launch)
    const launch = (plan: string, ...more: string[]) =>
      tell(['run', '-t', 'name:rack-a-1', '--job', `keeps/${plan}`, ...more])
    for (const [ran, value] of [
      [await launch('whole'), values.job],
      [await launch('own'), values.plan],
      [await launch('own', '--secret-file', `KEY=${key}`), values.launch],
    ] as const) {
      expect([ran.code, ran.out]).toEqual([0, expect.stringContaining(btoa(value))])
      expect(ran.out).toContain('*'.repeat(value.length))
      const run = /r-\d+/.exec(ran.out + ran.err)?.[0] ?? 'none'
      expect((await tell(['runs', 'vars', run])).out).toMatch(/KEY +launch +\*{6}/)
      expect((await tell(['runs', 'redo', run])).out).toContain(btoa(value))
    }
    const preview = await launch('own', '--secret-file', `KEY=${key}`, '--preview')
    expect([preview.code, preview.out]).toEqual([0, expect.stringContaining('******')])
    expect(await launch('own', '--secret', 'KEY=nobody')).toMatchObject({ code: 8 })
    const shown = await launch('own', '--set', 'KEY=typed')
    expect([shown.code, shown.err]).toEqual([2, expect.stringContaining('--secret-file KEY=PATH')])
    for (const { out, err } of told)
      for (const value of Object.values(values)) expect(out + err).not.toContain(value)
  })

  it('change when a file does, and their plans when they are synced', async () => {
    writeFileSync(file, document('').replace('echo hello', 'echo good day'))
    const diff = (await cli(['jobs', 'diff', file])).out
    expect(diff).toMatch(/^- +script: echo hello$/m)
    expect(diff).toMatch(/^\+ +script: echo good day$/m)
    expect((await cli(['jobs', 'apply', file])).err).toBe('site is changed\n')
    expect((await cli(['jobs', 'ls'])).out).toMatch(/site +2 +2 \(2 to sync\)/)
    expect((await cli(['jobs', 'show', 'site'])).out).toMatch(/site\/short +greet +needs a sync/)
    expect((await cli(['jobs', 'show', 'site/short'])).out).toContain('script: echo hello')
    expect((await cli(['jobs', 'diff', '--plan', 'site/short'])).out).toMatch(/^\+ +script: echo good day$/m)
    expect((await cli(['jobs', 'sync', 'site', 'short', '--revision', '1'])).code).toBe(9)
    expect((await cli(['jobs', 'sync', 'site', 'short'])).err).toBe('short is synced\n')
    // A step that is new, and chosen by a plan that is there, in one file.
    writeFileSync(
      file,
      `${document('')}  - {name: check, script: 'true'}\nplans: {short: {steps: [greet, check]}, whole: {}}\n`,
    )
    const wrong = await cli(['jobs', 'apply', file])
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('there is no step "check"')])
    expect((await cli(['jobs', 'apply', '--sync', file])).err).toBe('site is unchanged; plans short, whole\n')
    expect((await cli(['jobs', 'ls'])).out).toMatch(/site +3 +2 /)
  })

  it('bring plans of each other from one file, and say when one has changed', async () => {
    const inner = 'job: inner\nsteps:\n  - name: greet\n    script: echo hello\nplans:\n  all: {}\n'
    const outer =
      'job: outer\nsteps:\n  - name: first\n    plan: inner/all@1\n    onFailure: ignore\n    type: plan\nplans:\n  all: {}\n'
    writeFileSync(file, `${inner}---\n${outer}`)
    expect((await cli(['jobs', 'apply', file])).err).toBe(
      'inner is made; plans all\nouter is made; plans all\n',
    )
    expect((await cli(['jobs', 'export', 'inner', 'outer'])).out).toBe(readFileSync(file, 'utf8'))
    expect((await cli(['jobs', 'uses', 'inner/all'])).out).toMatch(/outer\/all +first +inner\/all@1/)
    const preview = await cli(['run', '-t', 'name:rack-a-1', '--job', 'outer/all', '--preview'])
    expect(preview.out).toMatch(/1 +first\/greet/)
    const ran = await cli(['run', '-t', 'name:rack-a-1', '--job', 'outer/all', '--json'])
    expect(JSON.parse(ran.out)).toMatchObject({ steps: [{ step: { name: 'first/greet', path: '0.0' } }] })
    writeFileSync(file, inner.replace('hello', 'good day'))
    await cli(['jobs', 'apply', '--sync', file])
    const stale = await cli(['jobs', 'show', 'outer'])
    expect([stale.out, stale.err]).toEqual([
      expect.stringMatching(/outer\/all +all steps +inner\/all@1 changed/),
      expect.stringContaining('inner/all@1 has changed since: its revision is 3 now'),
    ])
    const changed = await cli(['run', '-t', 'name:rack-a-1', '--job', 'inner/all', '--preview'])
    expect(changed.code).toBe(0)
    expect(await cli(['jobs', 'rm', 'inner/all'])).toMatchObject({ code: 9 })
  })

  it('are told of the scripts that they use', async () => {
    const script = join(folder, 'hello.sh')
    writeFileSync(script, 'echo 1\n')
    await cli(['scripts', 'put', 'hello', script, '--publish'])
    writeFileSync(file, 'job: using\nsteps:\n  - name: greet\n    uses: hello@1\nplans: {all: {}}\n')
    expect((await cli(['jobs', 'apply', file])).code).toBe(0)
    writeFileSync(script, 'echo 2\n')
    await cli(['scripts', 'put', 'hello', script, '--publish'])
    expect((await cli(['scripts', 'uses', 'hello'])).out).toMatch(/using +greet +hello@1 +1 offline/)
    expect((await cli(['scripts', 'sync', 'hello@2'])).err).toContain('using uses hello@2 in "greet"')
    expect((await cli(['jobs', 'rm', 'using'])).code).toBe(9)
    expect((await cli(['jobs', 'rm', 'using/all'])).code).toBe(0)
    expect((await cli(['jobs', 'rm', 'using'])).code).toBe(0)
  })

  it('are refused in words, and nothing of a file with a slip is sent', async () => {
    writeFileSync(
      file,
      'job: good\nsteps:\n  - {name: a, script: "true"}\n---\njob: bad\nsteps: &x []\nplans: *x\n',
    )
    const slip = await cli(['jobs', 'apply', file])
    expect([slip.code, slip.err]).toEqual([2, expect.stringContaining('document 2: aliases')])
    expect((await cli(['jobs', 'show', 'good'])).code).toBe(8)
    expect((await cli(['jobs', 'rm', 'site/..'])).code).toBe(2)
    expect((await cli(['jobs', 'show', 'site'])).code).toBe(0)
    expect(await cli(['run', '-t', '*', '--job', 'site'])).toMatchObject({ code: 2 })
    expect(await cli(['run', '-t', '*', '--job', 'site/whole', '--', 'ls'])).toMatchObject({ code: 2 })
    expect((await cli(['jobs', 'apply', join(folder, 'none.yaml')])).err).toContain('cannot read')
  })
})
