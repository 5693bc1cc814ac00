/** The wrapper and the command file under every POSIX shell at hand: exact bytes, one claim, all output, a record of the end. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { delay } from '../../base/backoff.js'
import { parseExit, parseWrapper } from '../journal/records.js'
import { commandFile, quote } from './command.js'
import { readStat } from './proc.js'
import { CLAIM_LOST, RESERVED_BYTES, tellsLoss, WRAPPER } from './wrapper.js'

const busybox = [process.env['DROVER_TEST_BUSYBOX'], '/bin/busybox', '/usr/bin/busybox'].find(
  (path) => path && existsSync(path),
)
const shells: [string, string[]][] = [
  ['dash', ['/bin/dash']],
  ['bash as sh', ['/bin/bash', '--posix']],
  ['busybox sh', busybox ? [busybox, 'sh'] : []],
]

let folder: string
const reserve = (name: string) =>
  writeFileSync(join(folder, 'task', name), `${' '.repeat(RESERVED_BYTES - 1)}\n`)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-wrapper-'))
  writeFileSync(join(folder, 'wrapper.sh'), WRAPPER)
  mkdirSync(join(folder, 'task'))
  mkdirSync(join(folder, 'task/pipes'))
  for (const name of ['pid', 'group', 'exit', 'stdout.copier', 'stderr.copier']) reserve(name)
  for (const name of ['stdout', 'stderr']) writeFileSync(join(folder, 'task', name), '')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

for (const [name, shell] of shells) {
  const present = shell.length > 0 && existsSync(shell[0] ?? '')
  const suite = present ? describe : describe.skip
  // Counted as skipped where the shell is missing; `apt-get install busybox` brings it.
  suite(`under ${name}`, () => {
    const [program = '', ...options] = shell

    interface Wrap {
      claim?: string
      owner?: string
      blocks?: string
      /** A command file that the wrapper reads itself. */
      file?: string
    }

    function wordsOf(
      command: string[],
      { claim = 'started', owner = '-', blocks = '-', file = '-' }: Wrap,
    ): string[] {
      const wrapper = [join(folder, 'wrapper.sh'), join(folder, 'task'), claim, '-', '/usr/bin/setsid']
      return [...options, ...wrapper, owner, blocks, file, ...command]
    }

    const environment = { PATH: '/usr/bin:/bin' }

    function wrap(command: string[], input: Wrap = {}) {
      const { status } = spawnSync(program, wordsOf(command, input), { env: environment, stdio: 'ignore' })
      return { status, stdout: bytesOf('stdout'), stderr: bytesOf('stderr') }
    }

    function start(script: string, input: Wrap = {}): ChildProcess {
      const words = wordsOf(['/bin/sh', '-c', script], input)
      return spawn(program, words, { env: environment, stdio: 'ignore' })
    }

    const bytesOf = (file: string) => readFileSync(join(folder, 'task', file))
    const record = (file: string) => readFileSync(join(folder, 'task', file), 'utf8')

    it.each([0, 1, 7, 255])('records the exit status %d', (status) => {
      const { stdout, stderr } = wrap(['/bin/sh', '-c', `echo out; echo err >&2; exit ${status}`])
      expect([stdout.toString(), stderr.toString()]).toEqual(['out\n', 'err\n'])
      expect(parseExit(record('exit'))?.status).toBe(status)
    })

    it('records who it is and the group of the script', () => {
      const { stdout } = wrap(['/bin/sh', '-c', 'read -r a b c d pgrp rest < /proc/self/stat; echo $pgrp'])
      expect(record('group').trim()).toBe(stdout.toString().trim())
      expect(parseWrapper(record('pid'))).toEqual({ pid: expect.any(Number), startTicks: expect.any(Number) })
    })

    it('prints nothing of its own when the script dies of a signal', () => {
      const { stderr } = wrap(['/bin/sh', '-c', 'kill -KILL $$'])
      expect([stderr.toString(), parseExit(record('exit'))?.status]).toEqual(['', 137])
    })

    it('runs nothing when the claim is taken or void', () => {
      mkdirSync(join(folder, 'task/started'))
      symlinkSync('void', join(folder, 'task/started.2'))
      for (const claim of ['started', 'started.2']) {
        expect(wrap(['/bin/sh', '-c', 'echo ran'], { claim })).toMatchObject({
          status: CLAIM_LOST,
          stdout: Buffer.alloc(0),
        })
      }
      expect(record('exit').trim()).toBe('')
    })

    it('is beaten or beats, and never both, when two start at once', async () => {
      for (let round = 0; round < 30; round++) {
        const words = wordsOf(['/bin/echo', 'ran'], { claim: `started.${round}` })
        const exits = await Promise.all(
          [1, 2].map(
            () =>
              new Promise<number | null>((done) =>
                spawn(program, words, { stdio: 'ignore' }).once('exit', (code) => done(code)),
              ),
          ),
        )
        expect(exits.sort((a, b) => Number(a) - Number(b))).toEqual([0, CLAIM_LOST])
        reserve('exit')
      }
    })

    it('loses nothing of a script that opens its output anew, and keeps the order', () => {
      const line =
        'echo a$i; echo b$i > /dev/stdout; echo c$i >&2; echo d$i > /dev/stderr; echo e$i > /proc/self/fd/1'
      const { stdout, stderr } = wrap([
        '/bin/sh',
        '-c',
        `i=0; while [ $i -lt 30 ]; do ${line}; i=$((i+1)); done`,
      ])
      const expected = (letters: string[]) =>
        Array.from({ length: 30 }, (_, n) => letters.map((letter) => `${letter}${n}\n`).join('')).join('')
      expect([stdout.toString(), stderr.toString()]).toEqual([
        expected(['a', 'b', 'e']),
        expected(['c', 'd']),
      ])
    })

    it('has all the bytes in the files when it records the end', async () => {
      for (let round = 0; round < 5; round++) {
        const size = 300_000 + round
        const child = start(`head -c ${size} /dev/urandom; head -c ${size} /dev/zero >&2`, {
          claim: `started.${round}`,
        })
        const gone = ended(child)
        await recorded()
        expect([sizeOf('stdout'), sizeOf('stderr')]).toEqual([size, size])
        await gone
        for (const file of ['stdout', 'stderr']) writeFileSync(join(folder, 'task', file), '')
        reserve('exit')
      }
    })

    it.each([
      ['is silent', 'sleep 60'],
      ['writes now and then', 'while :; do echo late; sleep 0.02; done'],
      ['floods', 'exec yes flood'],
    ])(
      'does not wait for a daemon that %s, and neither loses what came before nor kills it',
      async (_what, daemon) => {
        const child = start(`${daemon} & echo $! > ${folder}/daemon; head -c 200000 /dev/zero; echo last >&2`)
        await ended(child)
        const pid = Number(readFileSync(join(folder, 'daemon'), 'utf8'))
        try {
          const kept = bytesOf('stdout')
          expect(kept.filter((byte) => byte === 0).length).toBe(200_000)
          expect(bytesOf('stderr').toString()).toContain('last\n')
          expect(parseExit(record('exit'))?.status).toBe(0)
          // It goes on writing, to nobody, and the file stays as it is.
          const copied = sizeOf('stdout')
          await delay(200)
          expect([sizeOf('stdout'), readStat(pid)?.state === 'Z', readStat(pid) === undefined]).toEqual([
            copied,
            false,
            false,
          ])
          expect(tellsLoss(record('stdout.copier'))).toBe(false)
        } finally {
          process.kill(pid, 'SIGKILL')
        }
        await nobodyReads()
      },
    )

    it('holds a file to its limit while the script lives on', () => {
      const { stdout, stderr } = wrap(
        ['/bin/sh', '-c', 'head -c 3000000 /dev/zero && echo whole >&2; exit 4'],
        {
          blocks: '20',
        },
      )
      // Shells that do not heed POSIX count blocks of 1024.
      expect([20 * 512, 20 * 1024]).toContain(stdout.length)
      expect([stderr.toString(), parseExit(record('exit'))?.status]).toEqual(['whole\n', 4])
      expect(['stdout', 'stderr'].map((name) => tellsLoss(record(`${name}.copier`)))).toEqual([true, false])
    })

    it.each(['SIGTERM', 'SIGKILL'] as const)(
      'brings a script to its end whose copier died of %s',
      async (signal) => {
        const child = start(
          `echo before; while [ ! -e ${folder}/go ]; do sleep 0.01; done; yes | head -c 500000; exit 6`,
        )
        while (bytesOf('stdout').length === 0) await delay(5)
        process.kill(Number(record('stdout.copier')), signal)
        writeFileSync(join(folder, 'go'), '')
        await ended(child)
        expect([parseExit(record('exit'))?.status, bytesOf('stdout').subarray(0, 7).toString()]).toEqual([
          6,
          'before\n',
        ])
        // SIGTERM is not heeded: what ends a whole group must not take its last words.
        if (signal === 'SIGTERM') expect(sizeOf('stdout')).toBe(500_007)
        else expect(tellsLoss(record('stdout.copier'))).toBe(true)
        await nobodyReads()
      },
    )

    it('leaves the script no descriptor but its two outputs, and signals as they are by default', () => {
      const text = 'ls -l /proc/$$/fd | grep -c /task/; grep -E "SigIgn|SigBlk" /proc/self/status'
      const { stdout } = wrap(['/bin/sh', '-c', text])
      expect(stdout.toString().trim().split(/\s+/)).toEqual([
        '2',
        'SigBlk:',
        '0000000000000000',
        'SigIgn:',
        '0000000000000000',
      ])
    })

    it('writes straight to the files where no FIFO can be made', () => {
      rmSync(join(folder, 'task/pipes'), { recursive: true })
      const { stdout, stderr } = wrap(['/bin/sh', '-c', 'echo out; echo err >&2; exit 8'])
      expect([stdout.toString(), stderr.toString(), parseExit(record('exit'))?.status]).toEqual([
        'out\n',
        'err\n',
        8,
      ])
    })

    it('writes into the FIFOs that it is given', () => {
      const pipes = ['stdout', 'stderr'].map((name) => join(folder, 'task/pipes', name))
      execFileSync('/bin/sh', ['-c', 'mkfifo "$@"', 'sh', ...pipes])
      // mkfifo would fail, and the script get the files.
      const { stdout, stderr } = wrap([
        '/bin/sh',
        '-c',
        'readlink /proc/$$/fd/1 /proc/$$/fd/2; echo err > /dev/stderr',
      ])
      expect([stdout.toString().trim().split('\n'), stderr.toString()]).toEqual([pipes, 'err\n'])
    })

    const sizeOf = (file: string) => statSync(join(folder, 'task', file)).size
    const ended = (child: ChildProcess) => new Promise((done) => child.once('exit', done))
    const recorded = async () => {
      while (!parseExit(record('exit'))) await delay(1)
    }
    /** Every process that holds one of the FIFOs is gone: copiers end by themselves. */
    const nobodyReads = async () => {
      const held = () => spawnSync('sh', ['-c', `ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c ${folder}`])
      while (held().stdout.toString().trim() !== '0') await delay(20)
    }

    it('hands over every byte of arguments and variables', () => {
      const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1))
      const awkward = [
        bytes,
        Buffer.from("''"),
        Buffer.from("a'b\\'"),
        Buffer.alloc(0),
        Buffer.from('-n'),
        Buffer.concat([bytes, bytes]),
      ]
      const text = commandFile({
        interpreter: ['/usr/bin/perl', '-e', 'print join("\\0", $ENV{A}, $ENV{B}, @ARGV)'],
        prelude: undefined,
        script: '--',
        folder,
        tools: '/tools',
        arguments: awkward,
        environment: new Map([
          ['A', bytes],
          ['LC_ALL', Buffer.from('C.UTF-8')],
          ['B', Buffer.from("it's\n")],
        ]),
        workingDirectory: folder,
      })
      writeFileSync(join(folder, 'command'), text)
      const output = execFileSync(program, [...options, join(folder, 'command')], { env: {} })
      const expected = [bytes, Buffer.from("it's\n"), ...awkward].flatMap((piece) => [
        Buffer.from([0]),
        piece,
      ])
      expect(output.equals(Buffer.concat(expected.slice(1)))).toBe(true)
      const { stdout, status } = wrap([], { file: join(folder, 'command') })
      expect([stdout.equals(output), status, parseExit(record('exit'))?.status]).toEqual([true, 0, 0])
    })

    it('reads a command file itself, in a session of the script and with nothing of its own left in it', () => {
      const text = commandFile({
        interpreter: ['/bin/sh', '-c'],
        prelude: undefined,
        script: `set -- $(cat /proc/$$/stat); echo $1 $5 $6; echo "$D|$W|$S|$X"; ls -l /proc/$$/fd | grep -c ${folder}; exit 5`,
        folder,
        tools: '/tools',
        arguments: [],
        // Names that the wrapper has for itself.
        environment: new Map([
          ['D', Buffer.from('d')],
          ['W', Buffer.from('w')],
          ['S', Buffer.from('-')],
        ]),
        workingDirectory: folder,
      })
      writeFileSync(join(folder, 'command'), text)
      const [ids = '', ...rest] = wrap([], { file: join(folder, 'command') })
        .stdout.toString()
        .trim()
        .split('\n')
      const group = record('group').trim()
      expect(ids.trim().split(/\s+/)).toEqual([group, group, group])
      expect(rest).toEqual(['d|w|-|', '2'])
      expect(parseExit(record('exit'))?.status).toBe(5)
    })

    it('ends as a script that cannot enter its folder where the command file says so', () => {
      writeFileSync(
        join(folder, 'command'),
        `cd '${folder}/none' 2>/dev/null || exit 126\nexec "$@" /bin/echo ran\n`,
      )
      const { stdout } = wrap([], { file: join(folder, 'command') })
      expect([stdout.toString(), parseExit(record('exit'))?.status]).toEqual(['', 126])
    })
  })
}

describe('a quoted word', () => {
  it.each([
    ['', "''"],
    ['plain', "'plain'"],
    ["it's", "'it'\\''s'"],
    ["''", "''\\'''\\'''"],
  ])('%p is %p', (text, word) => {
    expect(quote(Buffer.from(text)).toString()).toBe(word)
  })
})
