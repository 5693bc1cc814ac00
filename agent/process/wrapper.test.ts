/** The wrapper and the command file under every POSIX shell at hand: exact bytes, one claim, a record of the end. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseExit, parseWrapper } from '../journal/records.js'
import { commandFile, quote } from './command.js'
import { CLAIM_LOST, RESERVED_BYTES, WRAPPER } from './wrapper.js'

const busybox = [process.env['DROVER_TEST_BUSYBOX'], '/bin/busybox', '/usr/bin/busybox'].find(
  (path) => path && existsSync(path),
)
const shells: [string, string[]][] = [
  ['dash', ['/bin/dash']],
  ['bash as sh', ['/bin/bash', '--posix']],
  ['busybox sh', busybox ? [busybox, 'sh'] : []],
]

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-wrapper-'))
  writeFileSync(join(folder, 'wrapper.sh'), WRAPPER)
  mkdirSync(join(folder, 'task'))
  for (const name of ['pid', 'group', 'exit.tmp']) {
    writeFileSync(join(folder, 'task', name), `${' '.repeat(RESERVED_BYTES - 1)}\n`)
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

for (const [name, shell] of shells) {
  const present = shell.length > 0 && existsSync(shell[0] ?? '')
  const suite = present ? describe : describe.skip
  // Counted as skipped where the shell is missing; `apt-get install busybox` brings it.
  suite(`under ${name}`, () => {
    const [program = '', ...options] = shell

    function wrap(
      command: string[],
      claim = 'started',
    ): { status: number | null; stdout: Buffer; stderr: Buffer } {
      const words = [
        ...options,
        join(folder, 'wrapper.sh'),
        join(folder, 'task'),
        claim,
        '-',
        '/usr/bin/setsid',
      ]
      return spawnSync(program, [...words, ...command], { env: { PATH: '/usr/bin:/bin' } })
    }

    const record = (file: string) => readFileSync(join(folder, 'task', file), 'utf8')

    it.each([0, 1, 7, 255])('records the exit status %d', (status) => {
      const { stdout, stderr } = wrap(['/bin/sh', '-c', `echo out; echo err >&2; exit ${status}`])
      expect([stdout.toString(), stderr.toString()]).toEqual(['out\n', 'err\n'])
      expect(parseExit(record('exit'))?.status).toBe(status)
      expect(existsSync(join(folder, 'task/exit.tmp'))).toBe(false)
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
        expect(wrap(['/bin/sh', '-c', 'echo ran'], claim)).toMatchObject({
          status: CLAIM_LOST,
          stdout: Buffer.alloc(0),
        })
      }
      expect(existsSync(join(folder, 'task/exit'))).toBe(false)
    })

    it('is beaten or beats, and never both, when two start at once', async () => {
      for (let round = 0; round < 10; round++) {
        const words = [
          ...options,
          join(folder, 'wrapper.sh'),
          join(folder, 'task'),
          `started.${round}`,
          '-',
          '-',
        ]
        const exits = await Promise.all(
          [1, 2].map(
            () =>
              new Promise<number | null>((done) =>
                spawn(program, [...words, '/bin/echo', 'ran'], { stdio: 'ignore' }).once('exit', (code) =>
                  done(code),
                ),
              ),
          ),
        )
        expect(exits.sort((a, b) => Number(a) - Number(b))).toEqual([0, CLAIM_LOST])
        writeFileSync(join(folder, 'task/exit.tmp'), '')
      }
    })

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
        script: '--',
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
