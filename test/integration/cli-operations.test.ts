/** Operations on a run as people type them: the command line against a whole platform. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createDrover, type Drover } from '../../sdk/index'
import type { Platform } from '../../stack/platform/platform'
import { startTestPlatform } from '../helpers/platform'

let platform: Platform
let drover: Drover
const folder = mkdtempSync(join(tmpdir(), 'drover-operations-'))

beforeAll(async () => {
  platform = await startTestPlatform({ agents: 2 })
  drover = createDrover(platform)
}, 120_000)

afterAll(async () => {
  await platform?.close()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

async function cli(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(__dirname, '../../cli/bin/drover.cjs'), ...args], {
    env: { ...process.env, ...platform.env, ...env },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => (out += String(data)))
  child.stderr.on('data', (data) => (err += String(data)))
  child.stdin.end()
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

const lines = (word: string) => {
  const file = join(folder, word)
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0
}
const tell = (word: string) => `echo $DROVER_HOST >> ${join(folder, word)}`

/** Two steps: the first fails on one of the two hosts. */
async function launch(word: string): Promise<string> {
  const { id } = await drover.launch({
    target: '*',
    plan: {
      name: word,
      steps: [
        {
          name: 'first',
          language: 'sh',
          script: `${tell(word)}\ncase $DROVER_HOST in *[13579]) exit 3;; esac\n`,
        },
        { name: 'second', language: 'sh', script: tell(`${word}-after`) },
      ],
    },
  } as Parameters<Drover['launch']>[0])
  await cli(['runs', 'watch', id])
  return id
}

const states = async (id: string) => {
  await cli(['runs', 'watch', id])
  return (await drover.execution(id)).steps.map((step) => step.state)
}

describe('operations on the command line', () => {
  it('retry with a file and with an editor; what each attempt ran is told', async () => {
    const id = await launch('edited')
    const file = join(folder, 'fix.sh')
    writeFileSync(file, `${tell('edited-fix')}\nexit 4\n`)
    const why = ['--why', 'the path has moved']
    expect(await cli(['runs', 'retry', id, '--file', file, ...why])).toMatchObject({ code: 0 })
    expect(await states(id)).toEqual(['failed', 'pending'])
    expect(lines('edited-fix')).toBe(1)
    const untouched = await cli(['runs', 'retry', id, '--edit'], { EDITOR: 'true', VISUAL: '' })
    expect([untouched.code, untouched.err]).toEqual([
      0,
      expect.stringMatching(/^unchanged: nothing was done/),
    ])
    // The editor is given what ran last, not what was launched.
    const editor = join(folder, 'editor')
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/exit 4/exit 0/" "$1"\n', { mode: 0o755 })
    const refused = await cli(['runs', 'retry', id, '--step', '2', '--edit'], {
      EDITOR: 'sed -i s/after/else/',
      VISUAL: '',
    })
    expect([refused.code, refused.err]).toEqual([9, expect.stringContaining('step 2 has not begun')])
    const [, kept = ''] = /--file (\S+)/.exec(refused.err) ?? []
    expect(readFileSync(kept, 'utf8')).toContain('edited-else')
    rmSync(dirname(kept), { recursive: true })
    expect((await cli(['runs', 'retry', id, '--edit'], { EDITOR: editor, VISUAL: '' })).code).toBe(0)
    expect(await states(id)).toEqual(['succeeded', 'succeeded'])
    expect([lines('edited'), lines('edited-fix'), lines('edited-after')]).toEqual([2, 2, 2])
    const hosts = []
    for await (const host of drover.executionHosts(id, 0)) hosts.push(host)
    const again = hosts.find((host) => host.attempt === 3)
    const told = (await cli(['runs', 'verdicts', id, again?.hostName ?? ''])).out.trimEnd().split('\n')
    expect(told[0]).toMatch(/SCRIPT$/)
    expect(new Set(told.slice(1).map((line) => line.split(/\s+/).at(-1))).size).toBe(3)
    const shown = (await cli(['runs', 'show', id])).out
    expect(shown).toMatch(/retry +step 1, script [0-9a-f]{12} +accepted +the path has moved/)
    expect(shown).toMatch(/retry +step 2, script [0-9a-f]{12} +refused +step 2 has not begun/)
  }, 60_000)

  it('retry --all, skip --host and ignore', async () => {
    const id = await launch('several')
    expect((await cli(['runs', 'retry', id, '--all', '--step', '1'])).err).toContain(
      'runs all its hosts again',
    )
    expect(await states(id)).toEqual(['failed', 'pending'])
    expect(lines('several')).toBe(4)
    const bad = []
    for await (const host of drover.executionHosts(id, 0, { states: ['failed'] })) bad.push(host.hostName)
    const wrong = await cli(['runs', 'skip', id, '--step', '1', '--host', 'nobody'])
    expect([wrong.code, wrong.err]).toEqual([
      9,
      expect.stringContaining('not among the hosts of step 1: nobody'),
    ])
    const skip = ['runs', 'skip', id, '--step', '1', ...bad.flatMap((name) => ['--host', name])]
    expect((await cli(skip)).err).toContain('leaves these hosts out')
    expect(await states(id)).toEqual(['succeeded', 'succeeded'])
    const other = await launch('ignored')
    expect((await cli(['runs', 'ignore', other, '--step', '1'])).code).toBe(0)
    expect(await states(other)).toEqual(['ignored', 'succeeded'])
    expect([lines('several'), lines('several-after'), lines('ignored-after')]).toEqual([4, 2, 2])
  }, 60_000)

  it('next', async () => {
    const { id } = await drover.launch({
      target: '*',
      plan: {
        name: 'hangs',
        steps: [
          { name: 'hangs', language: 'sh', script: `${tell('hangs')}\nsleep 300`, graceMs: 300 },
          { name: 'second', language: 'sh', script: tell('hangs-after') },
        ],
      },
    } as Parameters<Drover['launch']>[0])
    for (;;) if ((await drover.execution(id)).steps[0]?.counts.running === 2) break
    const next = await cli(['runs', 'next', id, '--json', '--why', 'enough'])
    expect(JSON.parse(next.out)).toMatchObject({
      operation: { kind: 'next', state: 'accepted', args: { why: 'enough' } },
    })
    expect(await states(id)).toEqual(['ignored', 'succeeded'])
    expect([lines('hangs'), lines('hangs-after')]).toEqual([2, 2])
    const late = await cli(['runs', 'next', id])
    expect([late.code, late.err]).toEqual([9, expect.stringContaining('the run succeeded')])
  }, 60_000)
})
