/** Secrets by the command line: from a file, from standard input and from a terminal that shows nothing, to a script on a host. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Platform } from '../../stack/platform/platform'
import { startTestPlatform } from '../helpers/platform'

const program = join(__dirname, '../../cli/bin/drover.cjs')

describe('drover secrets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'drover-secrets-'))
  let platform: Platform

  beforeAll(async () => {
    platform = await startTestPlatform({ agents: 1 })
  }, 120_000)

  afterAll(async () => {
    await platform?.close()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  async function run(
    words: string[],
    input = '',
  ): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(words[0] ?? '', words.slice(1), { env: { ...process.env, ...platform.env } })
    let [out, err] = ['', '']
    child.stdout.on('data', (data) => (out += String(data)))
    child.stderr.on('data', (data) => (err += String(data)))
    child.stdin.end(input)
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, out, err }
  }
  const cli = (args: string[], input?: string) => run([process.execPath, program, ...args], input)

  it('keeps, shows, gives, rotates and ends a secret, and shows no value on the way', async () => {
    const file = join(folder, 'value')
    writeFileSync(file, 'from a file\n')
    const said = [await cli(['secrets', 'set', 'key', '--file', file, '--description', 'of the door'])]
    said.push(await cli(['secrets', 'rotate', 'key', '--file', '-'], 'from a pipe'))
    const step = ['-t', 'name:rack-a-1', '--secret', 'KEY=key', '--']
    const script = '[ "$(cat "$KEY_FILE")" = "from a"" pipe" ] && echo the same; cat "$KEY_FILE"'
    const preview = await cli(['run', '--preview', ...step, script])
    expect(preview.out).toContain('the secret key@2 as KEY')
    const ran = await cli(['run', ...step, script])
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('the same')])
    expect(ran.out).toContain('*'.repeat('from a pipe'.length))
    said.push(preview, ran)
    writeFileSync(
      join(folder, 'job.yaml'),
      'job: door\nsteps:\n  - name: open\n    script: cat "$KEY_FILE"\n    secrets:\n      KEY: key@1\n',
    )
    expect((await cli(['jobs', 'apply', join(folder, 'job.yaml')])).code).toBe(0)
    said.push(await cli(['secrets', 'show', 'key']), await cli(['secrets', 'ls', '--json']))
    expect(said.at(-2)?.out).toMatch(/2 \(current\)/)
    expect(said.at(-2)?.out).toContain('used by job door, step open: KEY is key@1')
    const refused = await cli(['secrets', 'rm', 'key'])
    expect([refused.code, refused.err]).toEqual([9, expect.stringContaining('job door')])
    expect((await cli(['jobs', 'rm', 'door'])).code).toBe(0)
    for (const change of ['disable', 'enable', 'destroy']) said.push(await cli(['secrets', change, 'key@1']))
    said.push(await cli(['secrets', 'rm', 'key']))
    expect(said.map(({ code }) => code)).toEqual(said.map(() => 0))
    for (const { out, err } of said) expect(out + err).not.toMatch(/from a (file|pipe)/)
    expect((await cli(['secrets', 'show', 'key'])).code).toBe(8)
  }, 60_000)

  it('takes no value from the command line, and no bytes that are no text', async () => {
    expect((await cli(['secrets', 'set', 'word', 'hunter2'])).code).toBe(2)
    writeFileSync(join(folder, 'bytes'), Buffer.from([0xff, 0xfe, 0x00]))
    const refused = await cli(['secrets', 'set', 'bytes', '--file', join(folder, 'bytes')])
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('base64')])
  })

  it('asks twice at a terminal, and echoes nothing', async () => {
    // script(1) gives it a terminal; what is typed would be in what that terminal shows.
    const typed = (text: string) => `${text}\n${text}\n`
    const command = `${process.execPath} ${program} secrets set typed`
    const shown = await run([
      'sh',
      '-c',
      `{ sleep 2; printf '%s' '${typed('pässwort 7')}'; sleep 2; } | script -qec '${command}' /dev/null`,
    ])
    expect(shown.out).toContain('value of typed:')
    expect(shown.out).toContain('typed@1 is kept')
    expect(shown.out).not.toContain('wort')
  }, 60_000)
})
